"""Versioned text files: the newest is the one with the highest number, and no file is ever changed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doc_io import DamagedDocumentError
from doc_io.ids import file_stem
from doc_io.legacy.versioned_files import VersionedFile, VersionedFiles, versions_of


@pytest.fixture
def files(tmp_path: Path) -> VersionedFiles:
    """Files under an empty root."""
    return VersionedFiles(str(tmp_path))


def latest_text(files: VersionedFiles, task: str) -> str | None:
    """What a reader of the task gets."""
    latest = files.latest("essay", task)
    return None if latest is None else files.read(latest)


def test_each_text_gets_the_next_number(files: VersionedFiles) -> None:
    """The first is v1, and what was written before stays."""
    assert [files.write("essay", "t", text).path for text in ("one", "two")] == ["essay/t_v1.txt", "essay/t_v2.txt"]
    assert [files.read(each) for each in files.versions("essay", "t")] == ["one", "two"]


def test_version_10_comes_after_version_9(files: VersionedFiles, tmp_path: Path) -> None:
    """Numbers are compared as numbers; a gap does not matter."""
    (tmp_path / "essay").mkdir()
    for version in (1, 9, 10):
        (tmp_path / f"essay/t_v{version}.txt").write_text(str(version), encoding="utf-8")

    assert latest_text(files, "t") == "10"
    assert files.write("essay", "t", "next").version == 11


def test_a_file_without_a_version_comes_before_all_others(files: VersionedFiles, tmp_path: Path) -> None:
    """Pipelines began with one file a task, and numbered later ones."""
    (tmp_path / "essay").mkdir()
    (tmp_path / "essay/t.txt").write_text("first", encoding="utf-8")
    assert latest_text(files, "t") == "first"

    files.write("essay", "t", "second")
    assert latest_text(files, "t") == "second"


def test_a_task_whose_name_holds_a_version_keeps_its_files_to_itself(files: VersionedFiles) -> None:
    """``a_v1`` is a name like any other; its first file is ``a_v1_v1.txt``."""
    files.write("essay", "a", "of a")
    assert latest_text(files, "a_v1") == "of a"  # all that is there, so it may well be an old file of a_v1

    files.write("essay", "a", "of a, again")
    assert latest_text(files, "a_v1") is None
    files.write("essay", "a_v1", "of a_v1")
    assert (latest_text(files, "a"), latest_text(files, "a_v1")) == ("of a, again", "of a_v1")


def test_two_writers_of_one_task_get_a_number_each(files: VersionedFiles) -> None:
    """No text takes the place of another."""
    with ThreadPoolExecutor(8) as pool:
        written = list(pool.map(lambda number: files.write("essay", "t", f"text {number}"), range(24)))

    assert sorted(each.version for each in written) == list(range(1, 25))
    assert sorted(map(files.read, written)) == sorted(f"text {number}" for number in range(24))


def test_a_text_comes_back_as_it_was(files: VersionedFiles) -> None:
    """Newlines of any kind, NUL, a byte order mark and lone surrogates included."""
    text = "\ufeffa\r\nb\rc\n\0\ud800 \U0001f600"

    assert files.read(files.write("essay", "t", text)) == text


def test_no_temporary_file_is_left(files: VersionedFiles, tmp_path: Path) -> None:
    """A folder that people look into holds their files and nothing else."""
    files.write("essay", "a task, ü", "text")

    assert [path.name for path in (tmp_path / "essay").iterdir()] == ["a task, ü_v1.txt"]


def test_a_file_that_is_not_utf_8_is_an_error_that_names_it(files: VersionedFiles, tmp_path: Path) -> None:
    """A wrong text is worse than none."""
    (tmp_path / "essay").mkdir()
    (tmp_path / "essay/t.txt").write_bytes(b"caf\xe9")

    with pytest.raises(DamagedDocumentError, match=r"essay/t\.txt"):
        files.read(VersionedFile("essay/t.txt", -1))


@pytest.mark.parametrize("task", ["../out", "/etc/passwd", "a/b", "a\\b", "", ".", "..", "a\nb", "\ud800", "x" * 300])
def test_no_task_leaves_its_folder(files: VersionedFiles, tmp_path: Path, task: str) -> None:
    """Whatever a task is called, its file lies in the folder and is found again."""
    files.write("essay", task, "text")

    assert [path.parent for path in tmp_path.rglob("*.txt")] == [tmp_path / "essay"]
    assert latest_text(files, task) == "text"


@settings(max_examples=100)
@given(st.text(max_size=30), st.text(max_size=30))
def test_two_tasks_never_share_a_name(one: str, other: str) -> None:
    """Not even where one of them looks like the encoded name of the other."""
    assert (file_stem(one) == file_stem(other)) == (one == other)


def test_an_encoded_name_belongs_to_the_task_it_encodes() -> None:
    """``a%2Fb`` as a task is encoded once more, and finds no file of ``a/b``."""
    assert versions_of("a/b", ["a%2Fb_v1.txt"]) == [(1, "a%2Fb_v1.txt")]
    assert versions_of("a%2Fb", ["a%2Fb_v1.txt"]) == []
