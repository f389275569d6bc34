"""Draft, essay, evaluation: a pipeline on the long descriptions of the Python packages installed beside it."""
