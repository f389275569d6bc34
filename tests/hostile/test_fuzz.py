"""Any bytes at whatever reads bytes of others: by chance on every run, led by coverage where atheris is installed."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from doc_io import Document, DocumentStore
from doc_io.commit_record import encode
from doc_io.writing.draft import Origin, make_draft
from tests import skips
from tests.faults.harness import REPOSITORY
from tests.hostile.fuzz import TARGETS

SECONDS = int(os.environ.get("DOC_IO_FUZZ_SECONDS", "3"))  # a target; `make fuzz` gives more


@pytest.mark.parametrize("name", TARGETS)
def test_no_bytes_break_what_reads_them(name: str) -> None:
    """Bytes, and texts, which come further."""

    @settings(max_examples=100)
    @given(st.binary() | st.text().map(lambda text: text.encode("utf-8", "surrogatepass")))
    @example(b"")
    @example(b"\xff")
    @example(b'"\x00*:^ NEAR( AND \xed\xa0\x80')
    @example(b"../" * 200)
    def any_bytes(data: bytes) -> None:
        TARGETS[name](data)

    any_bytes()


@pytest.mark.parametrize("name", TARGETS)
def test_bytes_led_by_coverage_break_nothing(name: str, tmp_path: Path) -> None:
    """LibFuzzer begins with a true record, and keeps what reaches new code."""
    if find_spec("atheris") is None:
        pytest.skip(skips.NO_ATHERIS)
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    draft = make_draft(Document("text", prompt="p", extras={"a": "b"}), Origin(stage="essay", task_id="t"))
    true = encode(draft.at("2026-01-31T12:00:00.000001Z", None).record)
    (corpus / "record").write_bytes(true)
    (corpus / "body").write_bytes(true[2 : true.rindex(b'  "checksum"')])
    (corpus / "name").write_bytes("é/../%2E~\xff.v1".encode("latin-1"))
    environment = {**os.environ, "PYTHONPATH": f"{REPOSITORY / 'src'}{os.pathsep}{REPOSITORY}", "TMPDIR": str(tmp_path)}
    command = [
        sys.executable,
        "-m",
        "tests.hostile.fuzz",
        name,
        f"-max_total_time={SECONDS}",
        f"-artifact_prefix={tmp_path}/",
    ]
    done = subprocess.run(
        [*command, str(corpus)], cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr[-4000:]
    assert "DONE" in done.stderr


def test_a_target_that_is_broken_turns_red(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: a reader that lets any error out is caught."""
    monkeypatch.setattr(DocumentStore, "find", lambda _, name: int(name))
    with pytest.raises((ValueError, AttributeError)):
        TARGETS["found"](b"x")
