"""Legacy files: importing them, and writing them beside documents during a migration."""

from doc_io.legacy.backfill import backfill

__all__ = ["backfill"]
