"""What Dagster's own tests promise of file-based IO managers and of partitions, held here; docs/dagster.md has the list."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from upath import UPath

from doc_io import DocDirIOManager, Document, DocumentNotFoundError, DocumentsByPartition
from doc_io.dagster.internals import PARTITIONED_OUTPUT_CONTEXTS
from doc_io.testing import TemporaryDocuments, input_context, output_context, temporary_documents

LETTERS = dg.StaticPartitionsDefinition(["b", "a", "c"])
DAYS = dg.DailyPartitionsDefinition(start_date="2026-01-01", end_date="2026-01-04")


@dg.asset(partitions_def=LETTERS)
def letter(context: dg.AssetExecutionContext) -> str:
    return str(context.partition_key)


@dg.asset(partitions_def=DAYS)
def day(context: dg.AssetExecutionContext) -> str:
    return str(context.partition_key)


@pytest.fixture
def documents() -> Iterator[TemporaryDocuments]:
    with temporary_documents() as made:
        made.write(letter, {key: f"letter {key}" for key in ("a", "b", "c")})
        made.write(day, {key: f"on {key}" for key in ("2026-01-01", "2026-01-02", "2026-01-03")})
        yield made


def made_by(
    downstream: dg.AssetsDefinition, documents: TemporaryDocuments, partition_key: str | None = None
) -> str | None:
    """Run one asset on what is there; its text."""
    dg.materialize(
        [letter, day, downstream], selection=[downstream], partition_key=partition_key, resources=documents.resources
    )
    return documents.read(downstream, partition_key)


def test_an_hour_of_each_is_given_to_the_day_in_order_of_time(documents: TemporaryDocuments) -> None:
    """A time window downstream that is wider than the one upstream."""
    hours = dg.HourlyPartitionsDefinition(start_date="2026-01-01-00:00", end_date="2026-01-02-00:00")

    @dg.asset(partitions_def=hours)
    def hour() -> str:
        return ""

    @dg.asset(partitions_def=DAYS)
    def whole_day(hour: dict[str, str]) -> str:
        return " ".join(hour.values())

    documents.write(hour, {key: key[-5:-3] for key in reversed(hours.get_partition_keys())})
    dg.materialize([hour, whole_day], selection=[whole_day], partition_key="2026-01-01", resources=documents.resources)

    assert documents.read(whole_day, "2026-01-01") == " ".join(f"{number:02}" for number in range(24))


def test_an_unpartitioned_asset_gets_every_partition_in_the_order_they_are_defined(
    documents: TemporaryDocuments,
) -> None:
    @dg.asset
    def everything(letter: dict[str, str]) -> str:
        return ", ".join(letter.values())

    assert made_by(everything, documents) == "letter b, letter a, letter c"


def test_all_partitions_may_be_mapped_to_each(documents: TemporaryDocuments) -> None:
    @dg.asset(partitions_def=DAYS, ins={"letter": dg.AssetIn(partition_mapping=dg.AllPartitionMapping())})
    def everything(letter: dict[str, str]) -> str:
        return ", ".join(letter.values())

    assert made_by(everything, documents, "2026-01-02") == "letter b, letter a, letter c"


def test_the_same_partition_is_given_alone(documents: TemporaryDocuments) -> None:
    @dg.asset(partitions_def=LETTERS)
    def word(letter: str) -> str:
        return f"word of {letter}"

    assert made_by(word, documents, "a") == "word of letter a"


def test_an_input_without_annotation_gets_a_dict_of_several_partitions(documents: TemporaryDocuments) -> None:
    @dg.asset
    def everything(letter):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202 - this is the fact
        return f"{type(letter).__name__} of {len(letter)}"

    assert made_by(everything, documents) == "dict of 3"


def test_an_input_of_any_type_gets_a_dict_of_several_partitions(documents: TemporaryDocuments) -> None:
    @dg.asset
    def everything(letter: Any) -> str:
        return f"{type(letter).__name__} of {len(letter)}"

    assert made_by(everything, documents) == "dict of 3"


def test_a_window_may_reach_back(documents: TemporaryDocuments) -> None:
    """TimeWindowPartitionMapping with an offset: today and yesterday."""
    mapping = dg.TimeWindowPartitionMapping(start_offset=-1)

    @dg.asset(partitions_def=DAYS, ins={"day": dg.AssetIn(partition_mapping=mapping)})
    def two_days(day: dict[str, str]) -> str:
        return ", ".join(day.values())

    assert made_by(two_days, documents, "2026-01-02") == "on 2026-01-01, on 2026-01-02"


def test_the_first_window_of_a_series_has_nothing_before_it(documents: TemporaryDocuments) -> None:
    """No partition upstream: the input is None."""
    mapping = dg.TimeWindowPartitionMapping(start_offset=-1, end_offset=-1)

    @dg.asset(partitions_def=DAYS, ins={"diary": dg.AssetIn(partition_mapping=mapping)})
    def diary(context: dg.AssetExecutionContext, diary: str | None) -> str:
        return f"{'' if diary is None else diary + ', '}{context.partition_key}"

    for key in ("2026-01-01", "2026-01-02"):
        dg.materialize([diary], partition_key=key, resources=documents.resources)

    assert documents.read(diary, "2026-01-02") == "2026-01-01, 2026-01-02"


@pytest.mark.parametrize(
    ("mapping", "expected"),
    [
        (dg.LastPartitionMapping(), "on 2026-01-03"),
        (dg.SpecificPartitionsPartitionMapping(["2026-01-02"]), "on 2026-01-02"),
    ],
)
def test_a_mapping_to_one_partition_gives_that_one(
    documents: TemporaryDocuments, mapping: dg.PartitionMapping, expected: str
) -> None:
    @dg.asset(ins={"day": dg.AssetIn(partition_mapping=mapping)})
    def one_day(day: str) -> str:
        return day

    assert made_by(one_day, documents) == expected


def test_a_static_mapping_is_followed(documents: TemporaryDocuments) -> None:
    mapping = dg.StaticPartitionMapping({"a": "vowels", "b": "consonants", "c": "consonants"})

    @dg.asset(
        partitions_def=dg.StaticPartitionsDefinition(["vowels", "consonants"]),
        ins={"letter": dg.AssetIn(partition_mapping=mapping)},
    )
    def kind(letter: dict[str, str]) -> str:
        return ", ".join(letter.values())

    assert made_by(kind, documents, "consonants") == "letter b, letter c"
    assert made_by(kind, documents, "vowels") == "letter a"


def test_one_dimension_of_several_is_mapped_to_its_partitions(documents: TemporaryDocuments) -> None:
    both = dg.MultiPartitionsDefinition({"letter": LETTERS, "day": DAYS})

    @dg.asset(partitions_def=both)
    def cell() -> str:
        return ""

    @dg.asset(partitions_def=LETTERS)
    def row(cell: dict[str, str]) -> str:
        return ", ".join(cell.values())

    documents.write(cell, {key: key for key in both.get_partition_keys()})
    dg.materialize([cell, row], selection=[row], partition_key="a", resources=documents.resources)

    assert documents.read(row, "a") == "2026-01-01|a, 2026-01-02|a, 2026-01-03|a"


def test_dynamic_partitions_fan_in(documents: TemporaryDocuments) -> None:
    """Keys that were added and never made are there too, unless missing ones are allowed."""
    names = dg.DynamicPartitionsDefinition(name="names")

    @dg.asset(partitions_def=names)
    def portrait() -> str:
        return ""

    @dg.asset(ins={"portrait": dg.AssetIn(metadata={"allow_missing_partitions": True})})
    def gallery(portrait: dict[str, str]) -> str:
        return ", ".join(portrait.values())

    documents.write(portrait, {"ada": "Ada", "grace": "Grace"})
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("names", ["ada", "grace", "nobody yet"])
        dg.materialize([portrait, gallery], selection=[gallery], instance=instance, resources=documents.resources)

    assert documents.read(gallery) == "Ada, Grace"


def test_a_partition_key_with_dots_is_one_name(documents: TemporaryDocuments) -> None:
    """No extension is cut off, and none is added."""
    ranges = dg.StaticPartitionsDefinition(["0.0-to-1.0", "0.0-to-1.5"])

    @dg.asset(partitions_def=ranges)
    def scores(context: dg.AssetExecutionContext) -> str:
        return str(context.partition_key)

    for key in ranges.get_partition_keys():
        dg.materialize([scores], partition_key=key, resources=documents.resources)

    assert [documents.read(scores, key) for key in ranges.get_partition_keys()] == ["0.0-to-1.0", "0.0-to-1.5"]


def test_a_subclass_adds_metadata_of_its_own(documents: TemporaryDocuments) -> None:
    """UPathIOManager's hook, ``get_metadata``."""

    class Counting(DocDirIOManager):
        def get_metadata(self, context: dg.OutputContext, obj: str) -> dict[str, dg.MetadataValue[Any]]:  # noqa: ARG002 - Dagster's
            return {"words": dg.MetadataValue.int(len(obj.split()))}

    io_manager = Counting(docs_root=documents.io_manager.docs_root, db_path=documents.io_manager.db_path)

    @dg.asset
    def essay() -> str:
        return "three short words"

    result = dg.materialize([essay], resources={"io_manager": io_manager})

    [materialization] = result.asset_materializations_for_node("essay")
    assert materialization.metadata["words"].value == 3
    assert materialization.metadata["status"].value == "ok"


def all_letters() -> dict[str, str]:
    """The run tags of a run over all letters."""
    return {"dagster/asset_partition_range_start": "b", "dagster/asset_partition_range_end": "c"}


@dg.asset(partitions_def=LETTERS, backfill_policy=dg.BackfillPolicy.single_run())
def words(context: dg.AssetExecutionContext) -> DocumentsByPartition:
    return DocumentsByPartition({key: key * 3 for key in context.partition_keys})


@dg.asset(partitions_def=LETTERS)
def words_one(context: dg.AssetExecutionContext) -> str:
    return f"one {context.partition_key}"


def subclass_of(kind: type[DocDirIOManager], documents: TemporaryDocuments) -> DocDirIOManager:
    return kind(docs_root=documents.io_manager.docs_root, db_path=documents.io_manager.db_path)


def test_get_metadata_is_asked_for_each_document_of_a_run_over_many_partitions(documents: TemporaryDocuments) -> None:
    """With what the asset returned for it."""

    class Counting(DocDirIOManager):
        def get_metadata(self, context: dg.OutputContext, obj: str) -> dict[str, Any]:  # noqa: ARG002 - Dagster's
            return {"text": obj}

    io_manager = subclass_of(Counting, documents)
    result = dg.materialize([words], resources={"io_manager": io_manager}, tags=all_letters())

    events = result.asset_materializations_for_node("words")
    assert {event.partition: event.metadata["text"].value for event in events} == {"a": "aaa", "b": "bbb", "c": "ccc"}


def test_a_subclass_says_how_a_value_becomes_a_document(documents: TemporaryDocuments) -> None:
    """``to_document``: for one partition, for many, and for none."""

    class Json(DocDirIOManager):
        def to_document(self, context: dg.OutputContext, obj: Any) -> Any:  # noqa: ARG002 - Dagster's
            return Document(json.dumps(obj), metadata={"kind": "json"})

    @dg.asset
    def alone() -> dict[str, int]:
        return {"n": 1}

    @dg.asset(partitions_def=LETTERS)
    def one() -> dict[str, int]:
        return {"n": 2}

    io_manager = subclass_of(Json, documents)
    dg.materialize([alone], resources={"io_manager": io_manager})
    dg.materialize([one], resources={"io_manager": io_manager}, partition_key="a")
    dg.materialize([words], resources={"io_manager": io_manager}, tags=all_letters())

    assert (documents.read(alone), documents.read(one, "a"), documents.read(words, "b")) == (
        '{"n": 1}',
        '{"n": 2}',
        '"bbb"',
    )


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_subclass_loads_each_document_from_its_folder(documents: TemporaryDocuments, *, asynchronous: bool) -> None:
    """``load_from_path``, plain or a coroutine; one document and many."""

    class Plain(DocDirIOManager):
        def load_from_path(self, context: dg.InputContext, path: UPath) -> Any:  # noqa: ARG002 - Dagster's
            return len((path / "raw.txt").read_text())

    class Asynchronous(DocDirIOManager):
        async def load_from_path(self, context: dg.InputContext, path: UPath) -> Any:  # noqa: ARG002 - Dagster's
            return len((path / "raw.txt").read_text())

    @dg.asset(partitions_def=LETTERS)
    def length(letter: int) -> str:
        return str(letter)

    @dg.asset
    def lengths(letter: dict[str, int]) -> str:
        return str(letter)

    io_manager = subclass_of(Asynchronous if asynchronous else Plain, documents)
    for made, key in ((length, "a"), (lengths, None)):
        dg.materialize([letter, made], selection=[made], resources={"io_manager": io_manager}, partition_key=key)

    assert (documents.read(length, "a"), documents.read(lengths)) == ("8", "{'b': 8, 'a': 8, 'c': 8}")


@pytest.mark.parametrize(
    ("hook", "instead"),
    [("dump_to_path", "to_document"), ("unlink", "doc-io prune"), ("get_asset_relative_path", "doc_io/stage")],
)
def test_a_hook_that_would_have_no_effect_is_refused_when_the_class_is_made(hook: str, instead: str) -> None:
    """The message says what to override instead."""
    with pytest.raises(NotImplementedError, match=f"{hook} would never be called.*{instead}"):
        type("Mine", (DocDirIOManager,), {hook: lambda *_: None, "__module__": __name__})


@pytest.mark.parametrize("hook", ["make_directory", "unlink"])
def test_a_document_is_neither_made_nor_removed_by_its_path(documents: TemporaryDocuments, hook: str) -> None:
    row = documents.row(letter, "a")
    assert row is not None
    with pytest.raises(NotImplementedError, match=hook):
        getattr(documents.io_manager, hook)(documents.store.resolve_doc_dir(row))
    assert documents.read(letter, "a") == "letter a"


def test_a_path_exists_where_a_document_is_whole(documents: TemporaryDocuments) -> None:
    """A folder without a commit record holds no document."""
    row = documents.row(letter, "a")
    assert row is not None
    folder = documents.store.resolve_doc_dir(row)

    assert documents.io_manager.path_exists(folder)
    (folder / "metadata.json").unlink()
    assert not documents.io_manager.path_exists(folder)


def test_the_path_of_a_partition_is_the_folder_of_its_latest_ok_document(documents: TemporaryDocuments) -> None:
    row = documents.row(letter, "a")
    assert row is not None
    context = input_context(letter, "a")
    root = documents.store.storage.upath("")

    folder = documents.io_manager.get_path_for_partition(context, root, "a")

    assert folder == documents.store.resolve_doc_dir(row)
    assert documents.io_manager.load_from_path(context, folder) == "letter a"


def test_an_input_of_what_has_no_partitions_cannot_miss_one(documents: TemporaryDocuments) -> None:
    """``allow_missing_partitions`` is about partitions: an asset that was never made is an error, not None."""

    @dg.asset
    def never_made() -> str:
        return ""

    @dg.asset(ins={"never_made": dg.AssetIn(metadata={"allow_missing_partitions": True})})
    def reader(never_made: str | None) -> str:
        return str(never_made)

    with pytest.raises(DocumentNotFoundError, match="never_made"):
        dg.materialize([never_made, reader], selection=[reader], resources=documents.resources)


def test_an_output_is_handled_with_a_partition_key_and_no_definition(documents: TemporaryDocuments) -> None:
    """As Dagster's own tests build it."""
    with dg.build_output_context(asset_key="p", partition_key="a") as context:
        documents.io_manager.handle_output(context, "text")

    row = documents.store.latest("p", "a")
    assert row is not None
    assert documents.store.read(row) == "text"


def test_several_partitions_are_handled_outside_of_a_run_and_once_more_are_the_same_documents(
    documents: TemporaryDocuments,
) -> None:
    """What Dagster would get to see of each is in the context's events."""
    if not PARTITIONED_OUTPUT_CONTEXTS:
        return
    with output_context(words, ("b", "c")) as context:
        for _ in range(2):
            documents.io_manager.handle_output(context, {key: f"{key}!" for key in "abc"})

        assert [len(documents.store.history("words", key)) for key in "abc"] == [1, 1, 1]
        assert {event.partition for event in context.get_logged_events()} == {"a", "b", "c"}


def test_an_input_is_loaded_from_the_bare_context_of_an_op(documents: TemporaryDocuments) -> None:
    """It has no name, which only a message needs."""
    upstream = dg.build_output_context(name="result", step_key="shout", run_id="r")
    documents.io_manager.handle_output(upstream, "loud")

    assert documents.io_manager.load_input(dg.build_input_context(upstream_output=upstream)) == "loud"


def test_a_multi_asset_with_partitions_writes_each(documents: TemporaryDocuments) -> None:
    @dg.multi_asset(partitions_def=LETTERS, outs={"left": dg.AssetOut(), "right": dg.AssetOut()})
    def both(context: dg.AssetExecutionContext) -> tuple[str, str]:
        return f"left {context.partition_key}", f"right {context.partition_key}"

    dg.materialize([both], partition_key="a", resources=documents.resources)

    texts = [documents.store.latest(stage, "a") for stage in ("left", "right")]
    assert [documents.store.read(row) for row in texts if row] == ["left a", "right a"]


def test_a_graph_behind_a_partitioned_asset_keeps_its_inner_outputs_apart(documents: TemporaryDocuments) -> None:
    """The last output is the asset's; the one inside belongs to the run."""

    @dg.op
    def shout(text: str) -> str:
        return text.upper()

    @dg.op
    def underline(text: str) -> str:
        return f"_{text}_"

    @dg.graph_asset(partitions_def=LETTERS)
    def poster(letter: str) -> str:
        return underline(shout(letter))  # type: ignore[no-any-return] # an op call gives a handle

    assert made_by(poster, documents, "b") == "_LETTER B_"
    assert [row.task_id.split("/")[1:] for row in documents.store.index.scan() if row.stage == "shout"] == [
        ["poster.shout", "result"]
    ]


def test_an_asset_that_is_only_there_for_its_effect_writes_nothing(documents: TemporaryDocuments) -> None:
    """``-> None`` never reaches an IO manager."""

    @dg.asset
    def effect() -> None: ...

    @dg.asset(deps=[effect])
    def after() -> None: ...

    assert dg.materialize([effect, after], resources=documents.resources).success
    assert documents.row(effect) is None


def test_ops_that_pass_nothing_write_nothing(documents: TemporaryDocuments) -> None:
    @dg.op
    def first() -> None: ...

    @dg.op(ins={"start": dg.In(dg.Nothing)})
    def second() -> None: ...

    @dg.job
    def both() -> None:
        second(first())

    before = sum(1 for _ in documents.store.index.scan())

    assert both.execute_in_process(resources=documents.resources).success
    assert sum(1 for _ in documents.store.index.scan()) == before


def test_an_asset_that_becomes_partitioned_loses_nothing(documents: TemporaryDocuments) -> None:
    """UPathIOManager unlinks what stood in the way of the new folder; here nothing stands in the way."""

    def essay(partitions_def: dg.PartitionsDefinition[str] | None) -> dg.AssetsDefinition:
        @dg.asset(name="essay", partitions_def=partitions_def)
        def made() -> str:
            return "with partitions" if partitions_def else "without"

        return made

    dg.materialize([essay(None)], resources=documents.resources)
    dg.materialize([essay(LETTERS)], partition_key="a", resources=documents.resources)

    assert documents.read(essay(None)) == "without"
    assert documents.read(essay(LETTERS), "a") == "with partitions"


def test_materializing_again_adds_a_version_and_overwrites_none(documents: TemporaryDocuments) -> None:
    """A file-based IO manager overwrites; a document never changes."""

    @dg.asset
    def essay() -> str:
        return "text"

    for _ in range(2):
        dg.materialize([essay], resources=documents.resources)

    newer, older = documents.store.history("essay", "essay")
    assert newer.lineage_prev_doc_id == older.doc_id
    assert [documents.store.read(row) for row in (newer, older)] == ["text", "text"]


def test_an_asset_of_another_code_location_is_read_by_its_key(documents: TemporaryDocuments) -> None:
    """An external AssetSpec with the IO manager's key; its stage comes from its metadata."""
    documents.store.save("from elsewhere", stage="far", task_id="elsewhere")
    elsewhere = dg.AssetSpec("elsewhere", metadata={"dagster/io_manager_key": "io_manager", "doc_io/stage": "far"})

    @dg.asset
    def here(elsewhere: str) -> str:
        return elsewhere

    dg.materialize([elsewhere, here], selection=[here], resources=documents.resources)

    assert documents.read(here) == "from elsewhere"


def test_an_input_may_have_an_io_manager_of_its_own(documents: TemporaryDocuments, tmp_path: Path) -> None:
    """``input_manager_key``: another store for one input."""
    other = DocDirIOManager(docs_root=str(tmp_path / "docs"), db_path=str(tmp_path / "db.sqlite"))
    other.store.save("the other a", stage="letter", task_id="a")

    @dg.asset(partitions_def=LETTERS, ins={"letter": dg.AssetIn(input_manager_key="other")})
    def word(letter: str) -> str:
        return letter

    dg.materialize(
        [letter, word], selection=[word], partition_key="a", resources={**documents.resources, "other": other}
    )

    assert documents.read(word, "a") == "the other a"


def test_every_field_may_be_set_at_launch(tmp_path: Path) -> None:
    """``configure_at_launch``: the run's config says where."""

    @dg.asset
    def essay() -> str:
        return "text"

    place = {"docs_root": str(tmp_path / "docs"), "db_path": str(tmp_path / "db.sqlite")}
    dg.materialize(
        [essay],
        resources={"io_manager": DocDirIOManager.configure_at_launch()},
        run_config={"resources": {"io_manager": {"config": place}}},
    )

    assert (tmp_path / "docs" / "essay").is_dir()


@pytest.mark.skipif(not hasattr(dg, "migrate_io_storage"), reason="this Dagster has no migrate_io_storage")
@pytest.mark.filterwarnings("ignore:Function .migrate_io_storage. is currently in preview")
def test_dagsters_own_migration_brings_the_partitions_of_another_io_manager(
    documents: TemporaryDocuments, tmp_path: Path
) -> None:
    """Its contexts have a partition key and no definition."""
    pickles = dg.FilesystemIOManager(base_dir=str(tmp_path))
    with dg.DagsterInstance.ephemeral() as instance:
        for key in ("a", "b"):
            dg.materialize([words_one], resources={"io_manager": pickles}, instance=instance, partition_key=key)
        dg.migrate_io_storage(
            definitions=dg.Definitions(assets=[words_one], resources={"io_manager": pickles}),
            destination_io_manager=documents.io_manager,
            instance=instance,
        )

    assert [documents.read(words_one, key) for key in ("a", "b")] == ["one a", "one b"]
