"""``doc-io``: parsing and printing over the verbs of a store."""
