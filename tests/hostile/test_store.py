"""Hostile values through the whole store: what was given comes back, and nothing else happens."""

from __future__ import annotations

import dataclasses
import os
import re
import shutil
import stat
import subprocess
import sys
from contextlib import suppress
from datetime import timedelta
from enum import Enum
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doc_io import DocIOError, Document, DocumentStore, Usage, maintenance, reports
from doc_io.document import OK
from doc_io.document_fields import MAX_COUNT
from doc_io.errors import DamagedDocumentError, InvalidDocumentError, StorageError
from doc_io.index.base import Filter
from doc_io.maintenance.prune import Policy
from doc_io.writing.draft import Origin
from tests.servers.postgres import Postgres

SQL = [
    "'; DROP TABLE documents; --",
    '" OR 1=1 --',
    "x'); DELETE FROM documents WHERE ('1'='1",
    "%",
    "_",
    "?",
    ":name",
    "$1",
    "%s",
    "{x}",
    "\\",
    "ok') UNION SELECT * FROM documents --",
]
TEXTS = {
    "empty": "",
    "nul": "a\0b",
    "newlines": "a\r\nb\rc\n\u2028d\x85",
    "bom": "\ufeffa",
    "lone surrogates": "a\udc80\ud800b",
    "astral": "😀\U0001d538",
    "escapes": "\x1b]0;owned\x07\x1b[2J",
    "bidi": "\u202etxt.exe\u2066",
    "html": "<script>alert(1)</script>",
    "markdown": "```\n[x](javascript:alert(1))\n![](http://x/)",
    "giant": "0123456789" * 400_000,
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS.keys())
def test_any_text_comes_back_exactly(store: DocumentStore, text: str) -> None:
    """Raw, parsed and prompt are what went in, character for character."""
    row = store.save(Document(text, parsed=text, prompt=text, extras={"a": text}), stage="s", task_id="t")

    assert [store.read(row, which) for which in ("raw", "parsed", "prompt")] == [text] * 3


@settings(max_examples=60)
@given(st.text(st.characters(codec=None, categories=None)), st.text(st.characters(codec=None, categories=None)))
def test_any_two_strings_come_back_exactly(tmp_path_factory: pytest.TempPathFactory, raw: str, parsed: str) -> None:
    """Whatever Python calls a string, lone surrogates included."""
    with DocumentStore(tmp_path_factory.mktemp("root") / "docs") as store:
        row = store.save(Document(raw, parsed=parsed), stage="s", task_id="t")

        assert (store.read(row, "raw"), store.read(row, "parsed")) == (raw, parsed)


@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
def test_sql_in_every_field_is_a_value_and_never_a_statement(
    tmp_path: Path, postgres_server: Postgres, engine: str
) -> None:
    """Each field is stored, found again by its value, and no other row is touched."""
    url = postgres_server.new_database() if engine == "postgres" else None
    with DocumentStore(tmp_path / "docs", db_url=url) as store:
        save_and_find_sql(store)


def save_and_find_sql(store: DocumentStore) -> None:
    """Every statement in every field, and in every question."""
    for number, sql in enumerate(SQL):
        row = store.save(
            Document(
                sql,
                parsed=sql,
                prompt=sql,
                template_id=sql,
                model_id=sql,
                parent_doc_id=sql,
                parser=None,
                finish_reason=sql,
                identifiers={sql: sql},
                metadata={sql: sql},
                extras={sql: sql},
            ),
            stage=sql,
            task_id=sql,
            run_id=sql,
            attempt=sql,
            asset_key=sql,
            parents=[sql],
            experiment_id=sql,
        )
        assert store.latest(sql, sql) == row
        assert store.latest_many(sql, [sql, "other"], runs=[sql], as_of="9999") == {sql: row}
        assert store.index.latest_by_logical(row.logical_key_id, OK) == row
        assert store.history(sql, sql) == [row]
        assert store.parents(row.doc_id)[0].doc_id == sql
        assert row in store.children(sql)
        assert store.find(f"{sql}/{sql}") == row
        assert store.select(Filter(stage=sql, task_id=sql, model_id=sql, template_id=sql, run_id=sql)) == [row]
        assert store.index.find_by_prefix(sql) == []
        assert {found.row.doc_id for found in reports.search(store, sql)} <= {
            each.doc_id for each in store.index.scan()
        }
        assert [spent.documents for spent in reports.usage(store, "stage", Filter(experiment_id=sql))] == [1]
        assert len(list(store.index.scan())) == number + 1


@pytest.mark.parametrize("name", ["\udc80", "a\0b", "\ud800x"])
def test_a_name_that_no_database_holds_is_refused_and_looked_up_in_vain(store: DocumentStore, name: str) -> None:
    """It cannot be saved, with a reason; and asking for it finds nothing instead of failing."""
    with pytest.raises(InvalidDocumentError):
        store.save("text", stage="s", task_id=name)

    assert store.latest("s", name) is None
    assert store.latest(name, "t") is None
    assert store.latest_many("s", [name, "t"]) == {}
    assert store.history("s", name) == []
    assert store.get(name) is None


class Kind(str, Enum):
    """Names as people keep them; as a folder such a member would have the name ``Kind.DRAFT``."""

    DRAFT = "draft"
    TASK = "task/1"


def test_an_enum_member_is_the_name_that_is_its_value(store: DocumentStore) -> None:
    """In the row, in the record and in the path: a rebuild finds the document."""
    row = store.save("text", stage=Kind.DRAFT, task_id=Kind.TASK, run_id=Kind.DRAFT, attempt=Kind.TASK)

    assert row == store.save("text", stage="draft", task_id="task/1", run_id="draft", attempt="task/1")
    assert row.doc_dir.startswith("draft/")
    assert maintenance.reindex(store).documents == 1
    assert store.latest(Kind.DRAFT, Kind.TASK) == row


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *((field, value) for field in ("prompt_path", "prompt_hash") for value in ("a\0b", "\ud800", 3, ["x"])),
        *(("doc_id", value) for value in ("../../x", "X" * 16, "a" * 17, "", 3)),
    ],
)
def test_an_origin_that_no_reader_would_take_is_refused_before_anything_is_written(
    store: DocumentStore, field: str, value: Any
) -> None:
    """Else there would be a file, or even a row, whose record no reader believes."""
    with pytest.raises(InvalidDocumentError, match=field):
        store.save_many([("text", Origin("s", "t", **{field: value}))])

    assert list(store.storage.folders()) == []


def test_the_largest_counts_do_not_stop_a_rebuild(store: DocumentStore) -> None:
    """Their sum has its place in a column, so that no document stops the totals of the others."""
    for number in range(3):
        store.save(Document("text", usage=Usage(MAX_COUNT, MAX_COUNT)), stage="s", task_id=str(number))
    with pytest.raises(InvalidDocumentError, match="usage"):
        store.save(Document("text", usage=Usage(MAX_COUNT + 1)), stage="s", task_id="t")

    assert maintenance.reindex(store).documents == 3
    assert [(each.prompt_tokens, type(each.prompt_tokens)) for each in reports.usage(store, "stage")] == [
        (3 * MAX_COUNT, int)
    ]


def test_no_file_is_outside_the_root(tmp_path: Path) -> None:
    """Stages and extras' names that want out make files below the root, and nowhere else."""
    hostile = [
        "../../out",
        "/etc/out",
        "..",
        ".",
        "a/../../b",
        "C:\\out",
        "\0",
        "~",
        "x" * 3000,
        "metadata.json",
        "raw.txt",
    ]
    with DocumentStore(tmp_path / "deep" / "docs", tmp_path / "deep" / "index.sqlite") as store:
        for stage in hostile:
            if "\0" not in stage:
                store.save(Document("t", extras=dict.fromkeys(hostile, "x")), stage=stage, task_id=stage)

    assert [path.name for path in tmp_path.iterdir()] == ["deep"]
    assert {path.name.split("-")[0] for path in (tmp_path / "deep").iterdir()} == {"docs", "index.sqlite"}
    for folder in (tmp_path / "deep" / "docs").rglob("extras"):
        assert len(list(folder.iterdir())) == len(hostile)


@pytest.mark.parametrize("path", ["../secret.txt", "s/../../secret.txt", "/../secret.txt", "..", "a\0b", "x" * 5000])
def test_a_forged_row_reads_no_file_outside_the_root(tmp_path: Path, path: str) -> None:
    """A path in the index or in a record is believed only below the root."""
    (tmp_path / "secret.txt").write_text("secret")
    with DocumentStore(tmp_path / "docs") as store:
        row = store.save(Document("t", prompt="p"), stage="s", task_id="t")
        with pytest.raises(DocIOError):
            store.read(dataclasses.replace(row, prompt_path=path), "prompt")
        with pytest.raises(DocIOError):
            store.read(dataclasses.replace(row, doc_dir=path), "raw")


def test_a_symlink_in_the_place_of_a_text_is_not_followed(tmp_path: Path) -> None:
    """Whoever may write into the docs root cannot make a reader show another file of the machine."""
    (tmp_path / "secret.txt").write_text("secret")
    with DocumentStore(tmp_path / "docs") as store:
        row = store.save("hidden", stage="s", task_id="t")
        raw = tmp_path / "docs" / row.doc_dir / "raw.txt"
        raw.unlink()
        raw.symlink_to(tmp_path / "secret.txt")
        with pytest.raises(DocIOError):
            store.read(row)


def test_a_pruning_follows_no_symlink(tmp_path: Path) -> None:
    """Neither one in the place of a document nor one inside of it; it is taken away, and what it points to stays."""
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file.txt").write_text("precious")
    with DocumentStore(tmp_path / "docs") as store:
        replaced, entered, _ = (store.save(f"text {n}", stage="s", task_id="t") for n in range(3))
        root = tmp_path / "docs"
        shutil.rmtree(root / replaced.doc_dir)
        (root / replaced.doc_dir).symlink_to(precious)
        (root / entered.doc_dir / "extras").symlink_to(precious)
        pruned = maintenance.prune(store, Policy(grace=timedelta()), dry_run=False)

        assert {each.doc_id for each in pruned.documents} == {replaced.doc_id, entered.doc_id}
        assert not os.path.lexists(root / replaced.doc_dir)
        assert not os.path.lexists(root / entered.doc_dir)
    assert [path.name for path in precious.iterdir()] == ["file.txt"]


@pytest.mark.parametrize("folder", ["removals", "leases", "pins"])
def test_nothing_is_removed_where_a_folder_of_the_store_is_a_symlink(tmp_path: Path, folder: str) -> None:
    """Else a pruning would take any file there for one of its own that has had its day; the error names the symlink."""
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file.txt").write_text("precious")
    with DocumentStore(tmp_path / "docs") as store:
        older, newest = (store.save(f"text {n}", stage="s", task_id="t") for n in range(2))
        linked = tmp_path / "docs" / ".doc_io" / folder
        linked.symlink_to(precious)
        with suppress(DocIOError):
            maintenance.pin(store, older.doc_id)
        with suppress(DocIOError):
            maintenance.prune(store, Policy(grace=timedelta()), dry_run=False)

        assert store.read(newest) == "text 1"
    assert [path.name for path in precious.iterdir()] == ["file.txt"]


@pytest.mark.parametrize("depth", [1, 2])
def test_nothing_is_written_through_a_symlink_in_the_place_of_a_folder(tmp_path: Path, depth: int) -> None:
    """A rebuild takes what lies behind one for a stranger's, so that the document would be lost with its row."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    with DocumentStore(tmp_path / "docs") as store:
        doc_dir = store.save("text", stage="s", task_id="t").doc_dir
        linked = tmp_path / "docs" / "/".join(doc_dir.split("/")[:depth])
        shutil.rmtree(linked)
        linked.symlink_to(elsewhere)
    with DocumentStore(tmp_path / "docs") as store, pytest.raises(StorageError, match="is a symlink"):
        store.save("text", stage="s", task_id="t")
    assert list(elsewhere.iterdir()) == []


def test_an_export_names_the_document_whose_file_is_missing(tmp_path: Path) -> None:
    """And no mere path."""
    with DocumentStore(tmp_path / "docs") as store:
        row = store.save("text", stage="s", task_id="t")
        (tmp_path / "docs" / row.doc_dir / "raw.txt").unlink()
        with pytest.raises(DamagedDocumentError, match=row.doc_id):
            list(reports.export(store, texts=["raw"]))


def test_a_verification_and_a_rebuild_follow_no_symlink(tmp_path: Path) -> None:
    """A stage, a key and a document that lie elsewhere are strangers' files, and get no row."""
    with DocumentStore(tmp_path / "elsewhere", tmp_path / "elsewhere.sqlite") as other:
        row = other.save("elsewhere", stage="s", task_id="t")
    with DocumentStore(tmp_path / "docs") as store:
        store.save("here", stage="mine", task_id="t")
        root, key = tmp_path / "docs", row.doc_dir.split("/")[1]
        (root / "s").symlink_to(tmp_path / "elsewhere" / "s")
        (root / "mine" / key).symlink_to(tmp_path / "elsewhere" / "s" / key)
        (root / "linked" / key).mkdir(parents=True)
        (root / "linked" / key / row.doc_id).symlink_to(tmp_path / "elsewhere" / row.doc_dir)

        strays = ["linked/" + key + "/" + row.doc_id, f"mine/{key}", "s"]
        assert sorted(each.where for each in maintenance.verify(store, full=True) if each.kind == "stray") == strays
        assert maintenance.reindex(store).documents == 1


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o027, 0o077])
def test_file_modes_follow_the_umask(tmp_path: Path, umask: int) -> None:
    """No file is executable, and none is more open than the user's umask says."""
    program = """
import os, sys
os.umask(int(sys.argv[2]))
from doc_io import Document, DocumentStore, maintenance, reports
from doc_io.writing.draft import Origin, make_drafts
from doc_io.writing.spool import spool
with DocumentStore(sys.argv[1]) as store:
    row = store.save(Document("r", parsed="p", prompt="q", extras={"a": "b"}), stage="s", task_id="t", attempt="1")
    assert store.save(Document("r", parsed="p", prompt="q", extras={"a": "b"}), stage="s", task_id="t", attempt="1") == row
    maintenance.pin(store, row.doc_id)
    reports.search(store, "r")
    maintenance.reindex(store)
    spool(sys.argv[1] + "-spool", make_drafts([("text", Origin(stage="s", task_id="t"))]), owner=store.owner)
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "docs"), str(umask)], check=True, env=environment)

    found = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(found) >= 12
    for path in found:
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode & umask == 0, path
        assert mode & 0o111 == 0, path
    for path in tmp_path.rglob("*"):
        if path.is_dir():
            assert stat.S_IMODE(path.stat().st_mode) & umask == 0, path


def test_nothing_is_unpickled_or_evaluated() -> None:
    """The package has no use of anything that runs what it reads; what reads pickles only lists their opcodes."""
    source = Path(sys.modules["doc_io"].__file__ or "").parent
    forbidden = re.compile(
        r"\b(import pickle|pickle\.\w+|marshal|shelve|dill|cloudpickle|yaml\.load|__import__)\b|(?<![.\w])(eval|exec|compile)\("
    )

    for path in source.rglob("*.py"):
        assert forbidden.search(path.read_text()) is None, path


@pytest.mark.parametrize("path", ["../secret.txt", "s/../../secret.txt", "a\0b"])
def test_a_forged_path_leaves_no_remote_root(path: str, tmp_path: Path) -> None:
    """On a store that knows ``..`` it would be another's object, on one that does not a strange name of ours."""
    with DocumentStore("memory://hostile/docs", tmp_path / "index.sqlite") as store, pytest.raises(DocIOError):
        store.storage.read(path)
