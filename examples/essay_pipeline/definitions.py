"""What Dagster loads: ``dagster dev -f examples/essay_pipeline/definitions.py``, from the repository's root."""

import dagster as dg

from doc_io import DocDirIOManager, DocumentsIndex
from examples.essay_pipeline import assets
from examples.essay_pipeline.writer import from_environment

DOCS_ROOT = "data/docs"
DB_PATH = "data/db/documents.sqlite"

write_essays = dg.define_asset_job("write_essays", selection=dg.AssetSelection.assets("draft", "essay", "evaluation"))
compare_essays = dg.define_asset_job("compare_essays", selection=dg.AssetSelection.assets("scoreboard"))

defs = dg.Definitions(
    assets=[assets.draft, assets.essay, assets.evaluation, assets.scoreboard],
    jobs=[write_essays, compare_essays],
    resources={
        "io_manager": DocDirIOManager(docs_root=DOCS_ROOT, db_path=DB_PATH),
        "documents": DocumentsIndex(docs_root=DOCS_ROOT, db_path=DB_PATH),
        "writer": from_environment(),
    },
)
