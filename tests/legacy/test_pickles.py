"""`doc-io backfill --pickles`: the texts of Dagster's default IO manager, read without running anything."""

import json
import os
import pickle
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from click.testing import CliRunner, Result

from doc_io import DocumentStore
from doc_io.cli.main import group
from doc_io.errors import ConfigurationError
from doc_io.legacy import backfill_pickles


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with an empty store's place and a folder of pickles."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "storage").mkdir()
    return tmp_path


@pytest.fixture
def store(folder: Path) -> Iterator[DocumentStore]:
    """The store of the working directory."""
    with DocumentStore(folder / "data/docs") as store:
        yield store


def run(*arguments: str) -> Result:
    """The command, as it would be typed."""
    return CliRunner().invoke(
        group, ["backfill", "--pickles", "--data-root", "storage", *arguments], catch_exceptions=False
    )


def put(path: str, value: object, time: int = 1_700_000_000) -> None:
    """A pickle of a time."""
    file = Path("storage", path)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(value if isinstance(value, bytes) else pickle.dumps(value))
    os.utime(file, (time, time))


def texts(store: DocumentStore) -> dict[tuple[str, str], str]:
    """Every document's text by stage and task."""
    return {(row.stage, row.task_id): store.read(row) for row in store.select()}


def test_what_dagsters_own_io_manager_has_kept_comes_in(folder: Path, store: DocumentStore) -> None:
    """Unpartitioned, partitioned, with several dimensions and with a prefix: written by Dagster itself."""
    several = dg.MultiPartitionsDefinition(
        {"topic": dg.StaticPartitionsDefinition(["cats"]), "model": dg.StaticPartitionsDefinition(["m1"])}
    )

    @dg.asset
    def summary() -> str:
        return "a summary"

    @dg.asset(partitions_def=dg.StaticPartitionsDefinition(["cats", "dogs.v2"]))
    def draft(context: dg.AssetExecutionContext) -> str:
        return f"a draft of {context.partition_key}"

    @dg.asset(partitions_def=several)
    def essay() -> str:
        return "an essay"

    @dg.asset(key_prefix=["blog", "en"])
    def post() -> str:
        return "a post"

    resources = {"io_manager": dg.FilesystemIOManager(base_dir=str(folder / "storage"))}
    key = dg.MultiPartitionKey({"topic": "cats", "model": "m1"})
    for asset, partition in ((summary, None), (draft, "cats"), (draft, "dogs.v2"), (essay, key), (post, None)):
        assert dg.materialize([asset], resources=resources, partition_key=partition).success

    result = run("--asset", "summary", "--asset", "draft", "--asset", "essay", "--asset", "blog/en/post")

    assert result.exit_code == 0
    assert "5 documents were added" in result.output
    assert texts(store) == {
        ("summary", "summary"): "a summary",
        ("draft", "cats"): "a draft of cats",
        ("draft", "dogs.v2"): "a draft of dogs.v2",
        ("essay", str(key)): "an essay",
        ("blog.en.post", "blog/en/post"): "a post",
    }


def test_a_document_is_as_old_as_its_file(folder: Path, store: DocumentStore) -> None:
    put("draft/cats", "old", 1_700_000_000)
    run()

    row = store.latest("draft", "cats")
    assert row is not None
    assert (row.created_at, row.asset_key, row.status) == ("2023-11-14T22:13:20.000000Z", "draft", "ok")


def test_a_dry_run_writes_nothing(folder: Path) -> None:
    put("draft/cats", "old")

    assert "1 document would be added." in run("--dry-run").output
    assert sorted(path.name for path in folder.iterdir()) == ["storage"]


def test_run_again_it_adds_what_is_new(folder: Path, store: DocumentStore) -> None:
    """A pickle that was written over is another text, and the one before it stays."""
    put("draft/cats", "old")
    run()
    put("draft/cats", "new", 1_700_000_100)

    assert "1 document was added" in run().output
    assert "0 documents were added" in run().output
    assert [store.read(row) for row in store.history("draft", "cats")] == ["new", "old"]


class Trap:
    """What a hostile pickle does when it is read."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, ("sprung",)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (Trap(), "mkdir"),
        (["a", Trap()], "mkdir"),
        (b"cos\nmkdir\n(S'sprung'\ntR.", "os.mkdir"),
        (b"\x80\x02\x82\x01.", "no pickle"),
        ({"a": 1}, "a dict"),
        (None, "a NoneType"),
        ("", "it is empty"),
        (b"", "no pickle"),
        (b"\x80\x04\x95torn", "no pickle"),
        (("a", "b"), "no pickle of a text alone"),
        (b"\x80\x02}N" + b"\x85" * 1_000_000 + b"K\x01s.", "a dict"),  # its key cannot be hashed: the stack has an end
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_no_text_is_listed_and_nothing_of_it_is_run(
    folder: Path, store: DocumentStore, value: object, reason: str
) -> None:
    """And the text beside it comes in all the same."""
    put("draft/bad", value)
    put("draft/good", "a text")

    result = run("--json")
    done = json.loads(result.stdout)

    assert [each["path"] for each in done["bad_files"]] == ["draft/bad"]
    assert reason in done["bad_files"][0]["reason"]
    assert texts(store) == {("draft", "good"): "a text"}
    assert not (folder / "sprung").exists()


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_text_comes_in_exactly(folder: Path, store: DocumentStore, protocol: int) -> None:
    """Written by whichever Python."""
    text = "caf\u00e9\r\n\0\u8349 \U0001f600 \\ \ud800"
    put("draft/a", pickle.dumps(text, protocol))

    run()

    assert texts(store) == {("draft", "a"): text}


def test_the_trap_is_one(folder: Path) -> None:
    """The control: Python's own reader springs it."""
    pickle.loads(pickle.dumps(Trap()))  # noqa: S301 - that is the point

    assert (folder / "sprung").exists()


def test_a_link_is_not_followed(folder: Path, store: DocumentStore) -> None:
    """Nor a folder of a run taken for an asset."""
    put("draft/good", "a text")
    put("0b9a2b6e-4f3a-4b62-9c80-0f3f6bb1a0a1/step/result", "an op's")
    (folder / "elsewhere").write_bytes(pickle.dumps("elsewhere"))
    (folder / "storage/draft/link").symlink_to(folder / "elsewhere")
    (folder / "storage/linked").symlink_to(folder)

    run()

    assert texts(store) == {("draft", "good"): "a text"}


def test_an_asset_may_have_another_stage(folder: Path, store: DocumentStore) -> None:
    """As its doc_io/stage says."""
    put("blog/draft/cats", "a draft")

    run("--asset", "blog/draft=drafts")

    assert texts(store) == {("drafts", "cats"): "a draft"}


@pytest.mark.parametrize(
    ("asset", "says"),
    [("nope", "no file or folder of that name"), ("../draft", "no asset's key"), ("", "no asset's key")],
)
def test_an_asset_that_is_not_there_is_refused(folder: Path, store: DocumentStore, asset: str, says: str) -> None:
    """Before anything is written."""
    put("draft/cats", "old")

    with pytest.raises(ConfigurationError, match=says):
        backfill_pickles(store, "storage", assets=[asset])


@pytest.mark.parametrize("option", [["--link"], ["--stage", "draft"], ["--layout", "layout.toml"]])
def test_an_option_that_would_have_no_effect_is_refused(folder: Path, option: list[str]) -> None:
    result = run(*option)

    assert result.exit_code == 2
    assert f"{option[0]} has no effect with --pickles" in result.output


def test_the_pickles_are_those_of_dagsters_home_unless_another_folder_is_named(
    folder: Path, store: DocumentStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And not doc_io's own data."""
    put("draft/cats", "old")
    monkeypatch.setenv("DAGSTER_HOME", str(folder))

    assert CliRunner().invoke(group, ["backfill", "--pickles"]).exit_code == 0
    assert texts(store) == {("draft", "cats"): "old"}


def test_without_dagsters_home_the_folder_has_to_be_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DAGSTER_HOME", raising=False)

    result = CliRunner().invoke(group, ["backfill", "--pickles"])

    assert result.exit_code == 2
    assert "--data-root" in result.output


@pytest.mark.parametrize("entry", ["dagster.yaml", "history"])
def test_a_dagster_home_is_answered_with_its_storage(folder: Path, store: DocumentStore, entry: str) -> None:
    """Its entries would look like assets."""
    put("draft/cats", "old")
    if entry == "history":
        (folder / entry).mkdir()
    else:
        (folder / entry).touch()

    with pytest.raises(ConfigurationError, match=f"Did you mean --data-root {folder}/storage"):
        backfill_pickles(store, folder)


def test_a_folder_without_any_pickle_is_an_error(folder: Path, store: DocumentStore) -> None:
    """And no list of bad files is written."""
    with pytest.raises(ConfigurationError, match="no file was found"):
        backfill_pickles(store, "storage")

    assert not list((folder / "storage").iterdir())
