"""Pipelines to read and to run; start them from the repository's root."""
