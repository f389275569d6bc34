"""Whatever fields a document is given, its text is on disk, or the step was refused before there was a text."""

import tempfile
from pathlib import Path
from typing import Any

import dagster as dg
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from doc_io import DocDirIOManager, Document, DocumentsIndex, DocumentStore

ODD: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(st.characters()),
    st.binary(max_size=9),
    st.just(object()),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=9) | st.integers(), st.floats() | st.text(max_size=9), max_size=3),
)
WORDS = {
    "status": st.sampled_from(["ok", "truncated", "parse_error", "gen_error", "skipped", "well"]),
    "finish_reason": st.sampled_from(["stop", "length", "refusal", "new word"]),
    "parser": st.sampled_from(["builtins.float", "builtins.str.strip", "no.such.parser"]),
    "usage": st.fixed_dictionaries({"prompt_tokens": st.integers(), "completion_tokens": st.integers()}),
    "extras": st.dictionaries(st.text(max_size=5), st.binary(max_size=5), max_size=2),
}
FIELDS = (
    "parsed",
    "prompt",
    "status",
    "template_id",
    "model_id",
    "parent_doc_id",
    "parser",
    "finish_reason",
    "usage",
    "score",
    "identifiers",
    "metadata",
    "extras",
)
DOCUMENTS = st.fixed_dictionaries({}, optional={name: WORDS.get(name, ODD) | ODD for name in FIELDS})
TEXTS = st.text(st.characters(), min_size=1, max_size=200)


@settings(max_examples=12, phases=[Phase.explicit, Phase.generate])
@given(raw=TEXTS, fields=DOCUMENTS)
@example(raw="half an ans", fields={"finish_reason": "length", "usage": {"prompt_tokens": -7, "completion_tokens": 3}})
@example(raw=" \r\n\ud800\0", fields={"status": "skipped", "metadata": {"o": object()}, "extras": 7})
@example(raw="text", fields={"parsed": 7, "prompt": b"p", "template_id": "\0", "identifiers": {1: 2}, "score": "good"})
def test_a_text_that_is_returned_lies_byte_for_byte_under_a_row(raw: str, fields: dict[str, Any]) -> None:
    written: list[str] = []

    @dg.asset
    def draft() -> Document:
        document = Document(raw, **fields)
        written.append(document.raw or "")
        return document

    with tempfile.TemporaryDirectory() as folder:
        where: dict[str, Any] = {"docs_root": f"{folder}/docs", "db_path": f"{folder}/documents.sqlite"}
        resources = {"io_manager": DocDirIOManager(**where, spool=""), "documents": DocumentsIndex(**where)}
        dg.materialize([draft], resources=resources, raise_on_error=False)

        assert written == [raw]  # no field makes the constructor raise
        with DocumentStore(where["docs_root"], where["db_path"]) as store:
            [row] = store.history("draft", "draft")
            file = Path(where["docs_root"]) / row.doc_dir / "raw.txt"
            assert file.read_bytes() == raw.encode("utf-8", "surrogatepass")
            assert store.read(row, "raw") == raw
