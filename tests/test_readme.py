"""The README's Python examples do what they say, one after the other in one folder."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest

from doc_io import DocumentStore, Status
from tests import pages
from tests.launching import launch

EXAMPLES = pages.blocks(pages.page("README.md"), "python")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_examples_run_as_they_stand(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each by itself; one that ends in definitions is launched."""
    for example in EXAMPLES:
        if "defs = " in example:
            (folder / "definitions.py").write_text(example, encoding="utf-8")
            launch(folder / "definitions.py")
        else:
            pages.run([example])

    with DocumentStore("data/docs") as store:
        texts = {row.stage: store.read(row) for row in store.select()}
    assert texts == {"draft": "Assets return text.", "essay": "ASSETS RETURN TEXT.", "poem": "Whales sing."}
    assert "ok" in capsys.readouterr().out


def test_what_a_failing_stream_had_is_kept(folder: Path) -> None:
    """The comment in the example, held to the letter."""
    [example] = [each for each in EXAMPLES if "attempt.raw" in each]
    stream = "def stream():\n    yield 'Whales '\n    raise ConnectionError\n\n"
    names = pages.run([stream + example.replace('("Whales ", "sing.")', "stream()")])

    job = names["defs"].resolve_implicit_global_asset_job_def()
    assert not job.execute_in_process(raise_on_error=False).success
    with DocumentStore("data/docs") as store:
        [row] = store.history("poem", "poem")
        assert row.status is Status.GEN_ERROR
        assert (store.read(row, "raw"), store.read(row, "prompt")) == ("Whales ", "Write of whales.")


def test_an_iterator_must_be_a_bare_one() -> None:
    """Dagster's rule, which the README repeats: it is to be taken out there when Dagster takes it back."""
    asset = "import dagster as dg\nfrom collections.abc import Iterator\n\n@dg.asset\ndef book(draft: Iterator): ...\n"
    pages.run([asset])

    with pytest.raises(dg.DagsterInvalidDefinitionError):
        pages.run([asset.replace("Iterator)", "Iterator[str])")])
