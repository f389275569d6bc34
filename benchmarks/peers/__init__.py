"""Other ways to keep a text and its versions, each behind the same four verbs, each in the interpreter that has it."""
