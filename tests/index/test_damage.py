"""A SQLite index that was damaged or forged: told by name, never half-read, and rebuilt from whatever bytes it has."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from doc_io import Document, DocumentStore, Status, maintenance
from doc_io.document import DocumentRow
from doc_io.errors import DocIOError, IndexFormatError, IndexVersionError
from doc_io.index.open import open_index
from doc_io.index.schema import SCHEMA_VERSION
from doc_io.maintenance.verify import NOTES
from tests.index.contract import add


def made(path: Path, count: int = 60) -> list[DocumentRow]:
    """The rows of a new index of one file, without a log."""
    index = open_index(path)
    rows = [add(index, f"t{n}", model_id=f"m{n % 3}") for n in range(count)]
    index.set_store_id("the store")
    index.close()
    return rows


def change(path: Path, *statements: str) -> None:
    """Run statements past doc_io."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


FORGED: dict[str, Callable[[Path], None]] = {
    "a trigger that takes rows away": lambda path: change(
        path, "CREATE TRIGGER thief AFTER INSERT ON documents BEGIN DELETE FROM documents WHERE seq = new.seq; END"
    ),
    "a view that never ends": lambda path: change(
        path,
        "DROP VIEW document_parents",
        "CREATE VIEW document_parents AS WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x FROM n)"
        " SELECT x AS doc_id, x AS position, x AS parent_doc_id, x AS input_name FROM n",
    ),
    "a table of somebody": lambda path: change(path, "CREATE TABLE notes (note)"),
    "a column of somebody": lambda path: change(path, "ALTER TABLE documents ADD COLUMN note"),
    "a lost index": lambda path: change(path, "DROP INDEX documents_ok_by_task"),
    "a lost trigger": lambda path: change(path, "DROP TRIGGER documents_delete"),
    "schema text that is no UTF-8": lambda path: change(
        path,
        "PRAGMA writable_schema = ON",
        "UPDATE sqlite_master SET sql = CAST(x'ff' || CAST(sql AS BLOB) AS TEXT) WHERE name = 'documents_newest'",
    ),
    "another application": lambda path: change(path, "PRAGMA application_id = 7"),
}


@pytest.mark.parametrize("name", FORGED)
def test_a_schema_that_is_not_ours_is_refused_and_rebuilt(tmp_path: Path, name: str) -> None:
    """Nothing runs that somebody put there; the old file is set aside, whole."""
    path = tmp_path / "i.sqlite"
    rows = made(path)
    FORGED[name](path)
    before = path.read_bytes()
    index = open_index(path)

    with pytest.raises(IndexFormatError):
        index.get(rows[0].doc_id)
    with pytest.raises(IndexFormatError):
        add(index, "new")
    assert index.check()

    assert index.rebuild((row.as_dict(), []) for row in rows) == len(rows)
    assert list(index.scan()) == rows
    assert index.check() == []
    assert before in [aside.read_bytes() for aside in tmp_path.glob("i.sqlite.replaced-*")]
    index.close()


HEADERS: dict[str, tuple[str, ...]] = {
    "version 0": ("PRAGMA user_version = 0",),
    "a newer version": (f"PRAGMA user_version = {SCHEMA_VERSION + 1}",),
    "version of a flipped bit": ("PRAGMA user_version = 33554434",),
    "a negative version": ("PRAGMA user_version = -2",),
    "page size": ("PRAGMA journal_mode = DELETE", "PRAGMA page_size = 8192", "VACUUM"),
    "journal mode": ("PRAGMA journal_mode = DELETE",),
    "auto_vacuum": ("PRAGMA auto_vacuum = FULL", "VACUUM"),
}


@pytest.mark.parametrize("name", HEADERS)
def test_a_changed_header_can_be_rebuilt(tmp_path: Path, name: str) -> None:
    """A number in the header of a file whose tables are ours."""
    path = tmp_path / "i.sqlite"
    rows = made(path)
    change(path, *HEADERS[name])
    index = open_index(path)

    assert index.rebuild((row.as_dict(), []) for row in rows) == len(rows)

    assert list(index.scan()) == rows
    assert index.store_id() == "the store"
    add(index, "new")
    index.close()


def test_a_newer_version_is_reported_by_its_number(tmp_path: Path) -> None:
    """Also where only the number is newer."""
    made(path := tmp_path / "i.sqlite")
    change(path, f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    with pytest.raises(IndexVersionError, match=f"schema {SCHEMA_VERSION + 1}"):
        open_index(path).get("0" * 16)


@pytest.mark.parametrize("seed", range(40))
def test_an_index_is_rebuilt_from_any_bytes(tmp_path: Path, seed: int) -> None:
    """Bits flipped anywhere, bytes of the schema overwritten, or the file cut short."""
    path = tmp_path / "i.sqlite"
    rows = made(path, 20)
    chance = random.Random(seed)  # noqa: S311 - damage, not a secret
    content = bytearray(path.read_bytes())
    if seed % 4 == 0:
        del content[chance.randrange(1, len(content)) :]
    for _ in range(1 if seed % 4 == 1 else 50 if seed % 4 == 2 else 0):
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    if seed % 4 == 3:
        at = chance.randrange(100, 4096)
        content[at : at + 8] = chance.randbytes(8)
    path.write_bytes(content)
    index = open_index(path)

    try:
        rebuilt = index.rebuild((row.as_dict(), []) for row in rows)
    except DocIOError as error:
        pytest.fail(f"{type(error).__name__}: {error}")

    assert rebuilt == len(rows)
    assert list(index.scan()) == rows
    assert index.check() == []
    index.close()


def test_totals_that_are_not_those_of_the_rows_are_found(tmp_path: Path) -> None:
    """Somebody may have changed them."""
    made(path := tmp_path / "i.sqlite")
    change(path, "UPDATE document_totals SET documents = documents + 1 WHERE model_id = 'm1'")
    index = open_index(path)

    assert index.wrong_totals() == 1
    index.close()


def test_an_index_that_does_not_hold_what_its_table_holds_is_found(tmp_path: Path) -> None:
    """A latest ok that comes from a damaged index would be another one than the rows have."""
    made(path := tmp_path / "i.sqlite")
    with closing(sqlite3.connect(path)) as connection:
        (page,) = connection.execute(
            "SELECT rootpage FROM sqlite_master WHERE name = 'documents_ok_by_task'"
        ).fetchone()
    content = bytearray(path.read_bytes())
    at = content.index(b"t7", (page - 1) * 4096)
    content[at : at + 2] = b"t8"
    path.write_bytes(content)
    index = open_index(path)

    assert any("documents_ok_by_task" in problem for problem in index.check())
    index.close()


FLIPS = [*range(60), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(60, 400))]


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """A store whose index is one file, and the latest ok document of each task."""
    folder = tmp_path_factory.mktemp("sound")
    with DocumentStore(folder / "docs", folder / "i.sqlite") as store:
        for n in range(60):
            text = Document(f"text {n}", status=Status.TRUNCATED if n % 7 == 3 else None)
            store.save(text, stage="draft", task_id=f"t{n % 20}", run_id=f"r{n}")
        latest = store.latest_many("draft", [f"t{n}" for n in range(20)])
    return folder, {task: row.doc_id for task, row in latest.items()}


@pytest.mark.parametrize("seed", FLIPS)
def test_one_wrong_bit_never_gives_a_wrong_latest_that_verify_finds_right(
    tmp_path: Path, sound: tuple[Path, dict[str, str]], seed: int
) -> None:
    """An error, or the right answer, or a finding."""
    folder, expected = sound
    chance = random.Random(seed)  # noqa: S311 - damage, not a secret
    content = bytearray((folder / "i.sqlite").read_bytes())
    content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    (tmp_path / "i.sqlite").write_bytes(content)

    assert is_right_or_found(folder / "docs", tmp_path / "i.sqlite", expected)


def test_a_wrong_latest_that_no_finding_tells_of_would_be_seen(sound: tuple[Path, dict[str, str]]) -> None:
    """The negative control: of another truth the index is sound."""
    folder, expected = sound

    assert not is_right_or_found(folder / "docs", folder / "i.sqlite", {**expected, "t1": "0" * 16})


def is_right_or_found(docs: Path, index: Path, expected: dict[str, str]) -> bool:
    """Whether every latest ok is right, or somebody who looks up or verifies is told."""
    with DocumentStore(docs, index) as store:
        try:
            many = {task: row.doc_id for task, row in store.latest_many("draft", expected).items()}
            one = {task: row.doc_id for task in expected if (row := store.latest("draft", task)) is not None}
        except DocIOError:
            return True
        try:
            unsound = [each for each in maintenance.verify(store, full=True) if each.kind not in NOTES]
        except DocIOError:
            return True
        return bool(unsound) or (many == expected and one == expected)
