"""Notes and an essay from them; where they are kept is said in the last lines."""

import dagster as dg

from doc_io import DocDirIOManager


@dg.asset
def draft() -> str:
    """Notes."""
    return "Assets return text.\nThe IO manager keeps it.\n"


@dg.asset
def essay(draft: str) -> str:
    """The notes as one paragraph."""
    return " ".join(draft.splitlines())


defs = dg.Definitions(
    assets=[draft, essay],
    resources={
        "io_manager": DocDirIOManager(docs_root="data/docs", db_path="data/db/documents.sqlite"),
    },
)
