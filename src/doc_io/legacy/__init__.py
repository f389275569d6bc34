"""Old files: bringing them in, and writing them beside documents for as long as somebody needs them."""

from doc_io.legacy.backfill import backfill
from doc_io.legacy.pickles import backfill_pickles

__all__ = ["backfill", "backfill_pickles"]
