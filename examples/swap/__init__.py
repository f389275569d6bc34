"""The whole adoption: ``diff before.py after.py``."""
