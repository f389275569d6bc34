"""Speeds of doc_io as ratios to floors written by hand beside each measurement: ``python -m benchmarks``."""
