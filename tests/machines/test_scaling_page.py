"""docs/scaling.md: each IO manager of the page writes a document, against a real server."""

from pathlib import Path

import pytest

from tests import pages
from tests.launching import launch
from tests.servers.postgres import Postgres
from tests.servers.s3 import REGION, S3

DEFINITIONS = """
import dagster as dg
from doc_io import DocDirIOManager

manager = {manager}


@dg.asset
def draft() -> str:
    return "a text"


@dg.asset
def essay(draft: str) -> str:
    return draft.upper()


defs = dg.Definitions(assets=[draft, essay], resources={{"io_manager": manager}})
"""

EXAMPLES = pages.blocks(pages.page("docs/scaling.md"), "python")


@pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
def test_an_io_manager_of_the_page_writes_a_document(
    example: str, s3_server: S3, postgres_server: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it stands, but for the name of the bucket; endpoint and credentials come from the environment, as it says."""
    monkeypatch.chdir(tmp_path)
    for names, value in (
        (("DOCUMENTS_DB_URL",), postgres_server.new_database()),
        (("S3_KEY", "AWS_ACCESS_KEY_ID"), s3_server.key),
        (("S3_SECRET", "AWS_SECRET_ACCESS_KEY"), s3_server.secret),
        (("AWS_ENDPOINT_URL", "AWS_ENDPOINT"), s3_server.endpoint),
        (("AWS_DEFAULT_REGION", "AWS_REGION"), REGION),
    ):
        for name in names:
            monkeypatch.setenv(name, value)
    root = f"{s3_server.root}/scaling-{EXAMPLES.index(example)}/docs"
    manager = example.strip().replace("s3://bucket/docs", root)
    (tmp_path / "definitions.py").write_text(DEFINITIONS.format(manager=manager), encoding="utf-8")

    launch(tmp_path / "definitions.py")

    store = pages.run([(tmp_path / "definitions.py").read_text()])["manager"].store
    assert store.read(store.find("essay/essay")) == "A TEXT"
