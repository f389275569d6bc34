"""What Dagster's own tests promise of file-based IO managers and of partitions, held here; docs/dagster.md has the list."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from doc_io import DocDirIOManager
from doc_io.testing import TemporaryDocuments, temporary_documents

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
