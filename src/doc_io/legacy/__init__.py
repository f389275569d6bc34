"""Legacy files: importing them, and writing them beside documents during a migration."""

from doc_io.legacy.backfill import backfill
from doc_io.legacy.pickles import backfill_pickles

__all__ = ["backfill", "backfill_pickles"]
