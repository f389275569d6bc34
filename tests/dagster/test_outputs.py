"""What assets return becomes documents, under the identity that Dagster knows."""

from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from doc_io import Document, DocumentsByPartition, Filter, Status, Usage
from tests.dagster.conftest import House, failure, materializations, reason

ABC = dg.StaticPartitionsDefinition(["a", "b", "c"])


def test_an_asset_that_returns_text_becomes_a_document(house: House) -> None:
    """Swapping the binding is the whole adoption."""

    @dg.asset
    def draft() -> str:
        return "hello\r\n"

    assert house.run([draft]).success
    row = house.store.latest("draft", "draft")

    assert row is not None
    assert (house.store.read(row), row.asset_key, row.status) == ("hello\r\n", "draft", "ok")


def test_the_materialization_says_what_was_written(house: House) -> None:
    """Every field of the design, as metadata."""

    @dg.asset
    def draft() -> Document:
        return Document("hello", prompt="say it", usage=Usage(3, 1, 100))

    made = materializations(house.run([draft]))["draft"]
    row = house.store.latest("draft", "draft")

    assert row is not None
    for name in ("doc_id", "logical_key_id", "parent_doc_id", "doc_dir", "prompt_path", "status", "raw_chars"):
        assert made[name] == getattr(row, name)
    assert (made["usage_prompt_tokens"], made["usage_completion_tokens"], made["usage_max_tokens"]) == (3, 1, 100)
    assert made["path"] == str(house.root / "docs" / row.doc_dir)
    assert made["dagster/uri"] == f"file://{house.root}/docs/{row.doc_dir}"
    assert made["preview"] == "```text\nhello\n```"


def test_a_score_is_a_number_of_the_materialization(house: House) -> None:
    """Dagster plots it; the author gives it, or a parser returns it."""

    @dg.asset
    def given() -> Document:
        return Document("good", score=7)

    @dg.asset(metadata={"doc_io/parser": "builtins.float"})
    def parsed() -> str:
        return "0.5"

    @dg.asset
    def neither() -> str:
        return "text"

    made = materializations(house.run([given, parsed, neither]))
    assert (made["given"]["score"], made["parsed"]["score"], "score" in made["neither"]) == (7.0, 0.5, False)


def test_a_preview_is_capped_and_can_be_turned_off(house: House) -> None:
    """A megabyte of text must not go into the event log."""

    @dg.asset
    def draft() -> str:
        return "x" * 10_000

    assert (
        materializations(house.run([draft], manager={"preview_chars": 5}))["draft"]["preview"] == "```text\nxxxxx…\n```"
    )
    assert "preview" not in materializations(house.run([draft], manager={"preview_chars": 0}))["draft"]


@pytest.mark.parametrize(
    "text", ["```\n<script>alert(1)</script>\n![x](http://x)", "````\n# no heading", "\x1b[2J\u202e"]
)
def test_a_preview_shows_hostile_text_and_lets_none_of_it_act(house: House, text: str) -> None:
    """A page renders it as Markdown."""

    @dg.asset
    def draft() -> str:
        return text

    preview = materializations(house.run([draft]))["draft"]["preview"]
    fence, *inside, last = preview.split("\n")

    assert fence == f"{last}text"
    assert not any(last in line for line in inside)
    assert not set(preview) & {"\x1b", "\u202e"}


def test_each_partition_is_a_task(house: House) -> None:
    """The partition key, as it is."""

    @dg.asset(partitions_def=ABC)
    def draft(context: dg.AssetExecutionContext) -> str:
        return f"of {context.partition_key}"

    for key in "ab":
        house.run([draft], partition_key=key)
    found = house.store.latest_many("draft", ["a", "b", "c"])

    assert {task: house.store.read(row) for task, row in found.items()} == {"a": "of a", "b": "of b"}


@pytest.mark.parametrize("key", ["../../etc/passwd", "/abs", "a|b", "ünï", "x" * 300, "a b\\c", "%2e"])
def test_any_partition_key_makes_the_round_trip_inside_of_the_root(house: House, key: str) -> None:
    """Dynamic partitions hold what users type."""
    keys = dg.DynamicPartitionsDefinition(name="keys")
    house.instance.add_dynamic_partitions("keys", [key])

    @dg.asset(partitions_def=keys)
    def draft() -> str:
        return "text"

    @dg.asset(partitions_def=keys)
    def essay(draft: str) -> str:
        return draft + "!"

    assert house.run([draft, essay], partition_key=key).success
    row = house.store.latest("essay", key)

    assert row is not None
    assert house.store.read(row) == "text!"
    assert {path.relative_to(house.root).parts[0] for path in house.root.rglob("raw.txt")} == {"docs"}


def test_a_run_over_many_partitions_writes_them_all(house: House) -> None:
    """Each gets its own document and its own metadata."""

    @dg.asset(partitions_def=ABC, backfill_policy=dg.BackfillPolicy.single_run())
    def draft(context: dg.AssetExecutionContext) -> DocumentsByPartition:
        return DocumentsByPartition({key: f"of {key}" for key in reversed(context.partition_keys)})

    result = house.run(
        [draft], tags={"dagster/asset_partition_range_start": "a", "dagster/asset_partition_range_end": "c"}
    )
    made = materializations(result)

    assert result.success
    assert {
        name: house.store.read(row) for name in "abc" if (row := house.store.get(made[f"draft|{name}"]["doc_id"]))
    } == {
        "a": "of a",
        "b": "of b",
        "c": "of c",
    }


def test_the_bad_ones_of_many_partitions_are_all_written_and_then_the_step_fails(house: House) -> None:
    """One failure lists them."""

    @dg.asset(partitions_def=ABC, backfill_policy=dg.BackfillPolicy.single_run())
    def draft() -> dict[str, Any]:
        return {"a": "good", "b": Document("half", finish_reason="length"), "c": Document("bad", status="parse_error")}

    result = house.run(
        [draft], tags={"dagster/asset_partition_range_start": "a", "dagster/asset_partition_range_end": "c"}
    )
    listed = failure(result, "draft").user_failure_data

    assert [house.store.history("draft", key)[0].status for key in "abc"] == ["ok", "truncated", "parse_error"]
    assert [each["partition"] for each in listed.metadata["failed_documents"].value] == ["b", "c"]


def test_the_good_ones_may_count_though_others_are_bad(house: House) -> None:
    """on_bad_status="skip": they are materialized, the bad ones are not, and the failure lists those alone."""

    @dg.asset(partitions_def=ABC, backfill_policy=dg.BackfillPolicy.single_run())
    def draft() -> dict[str, Any]:
        return {"a": "good", "b": Document("half", finish_reason="length"), "c": "good too"}

    tags = {"dagster/asset_partition_range_start": "a", "dagster/asset_partition_range_end": "c"}
    result = house.run([draft], tags=tags, manager={"on_bad_status": "skip"})
    listed = failure(result, "draft").user_failure_data.metadata["failed_documents"].value
    made = house.instance.get_materialized_partitions(dg.AssetKey("draft"))

    assert (made, [each["partition"] for each in listed]) == ({"a", "c"}, ["b"])
    house.run([draft], tags=tags)
    assert house.instance.get_materialized_partitions(dg.AssetKey("draft")) == {"a", "c"}


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ({"a": "x", "b": "y"}, "missing partitions: 'c'"),
        ({"a": "", "b": "", "c": "", "d": ""}, "not of this run: 'd'"),
        ("x", "it is str"),
        ({"x": 1}, "For data return json.dumps(…), or give the asset an IO manager of its own with io_manager_key."),
        (None, "Annotate an asset that returns nothing with -> None."),
    ],
)
def test_wrong_partitions_are_named_and_no_text_counts(house: House, value: Any, says: str) -> None:
    """What was made for the run's own partitions is kept, as failed."""

    @dg.asset(partitions_def=ABC, backfill_policy=dg.BackfillPolicy.single_run())
    def draft() -> Any:
        return value

    result = house.run(
        [draft], tags={"dagster/asset_partition_range_start": "a", "dagster/asset_partition_range_end": "c"}
    )

    assert says in reason(result, "draft")
    assert house.store.latest_many("draft", ["a", "b", "c", "d"]) == {}
    kept = set(value) & {"a", "b", "c"} if isinstance(value, dict) else set()
    assert {row.task_id for row in house.store.select(Filter(status={Status.GEN_ERROR}))} == kept


def test_an_op_output_belongs_to_its_run(house: House) -> None:
    """It has no asset: its task names run, step and output."""

    @dg.op
    def one() -> str:
        return "text"

    @dg.op
    def two(text: str) -> str:
        return text + "!"

    @dg.graph_asset
    def whole() -> Any:
        return two(one())

    result = house.run([whole])
    inner = house.store.latest("one", f"{result.run_id}/whole.one/result")

    assert result.success
    assert inner is not None
    assert inner.asset_key is None
    row = house.store.latest("whole", "whole")
    assert row is not None
    assert (house.store.read(row), row.parent_doc_id) == ("text!", inner.doc_id)


def test_the_outputs_of_a_mapped_op_do_not_meet(house: House) -> None:
    """Dynamic outputs have a mapping key each."""

    @dg.op(out=dg.DynamicOut(str))
    def many() -> Any:
        for name in "xyz":
            yield dg.DynamicOutput(f"of {name}", mapping_key=name)

    @dg.op
    def shout(text: str) -> str:
        return text.upper()

    @dg.op
    def join(texts: list[str]) -> str:
        return " ".join(sorted(texts))

    @dg.graph_asset
    def whole() -> Any:
        return join(many().map(shout).collect())

    assert house.run([whole]).success
    row = house.store.latest("whole", "whole")

    assert row is not None
    assert house.store.read(row) == "OF X OF Y OF Z"


def test_every_asset_of_a_multi_asset_is_a_document(house: House) -> None:
    """Two outputs of one step never collide."""

    @dg.multi_asset(outs={"left": dg.AssetOut(), "right": dg.AssetOut()})
    def both() -> tuple[str, str]:
        return "l", "r"

    assert house.run([both]).success
    rows = [house.store.latest(stage, stage) for stage in ("left", "right")]

    assert [house.store.read(row) for row in rows if row] == ["l", "r"]


def test_two_asset_keys_never_share_a_stage(house: House) -> None:
    """A dot in a part is not a joint between parts."""

    @dg.asset(key=dg.AssetKey(["a", "b"]))
    def joined() -> str:
        return "a/b"

    @dg.asset(key=dg.AssetKey(["a.b"]))
    def dotted() -> str:
        return "a.b"

    house.run([joined, dotted])
    stages = {row.asset_key: row.stage for row in house.store.index.scan()}

    assert stages == {"a/b": "a.b", "a.b": "a%2Eb"}


def test_stage_template_and_model_come_from_the_assets_metadata(house: House) -> None:
    """As constants of the definition."""

    @dg.asset(metadata={"doc_io/stage": "essay", "doc_io/template_id": "t1", "doc_io/model_id": "m1"})
    def any_name() -> str:
        return "x"

    house.run([any_name])
    row = house.store.latest("essay", "any_name")

    assert row is not None
    assert (row.template_id, row.model_id) == ("t1", "m1")


def test_the_document_wins_over_the_output_and_the_output_over_the_definition(house: House) -> None:
    """The order of the design, from the most particular to the most general."""

    @dg.asset(metadata={"doc_io/template_id": "definition", "doc_io/model_id": "definition"})
    def draft(context: dg.AssetExecutionContext) -> Document:
        context.add_output_metadata({"doc_io/model_id": "output", "template_id": "output"})
        return Document("x", template_id="document")

    house.run([draft], manager={"model_id": "config", "parser": "html.escape"})
    row = house.store.latest("draft", "draft")

    assert row is not None
    assert (row.template_id, row.model_id, row.parser) == ("document", "output", "html.escape")


def test_the_dimensions_of_a_partition_name_template_and_model(house: House) -> None:
    """A grid of prompts and models needs no code for that."""
    grid = dg.MultiPartitionsDefinition(
        {"model": dg.StaticPartitionsDefinition(["m1"]), "template": dg.StaticPartitionsDefinition(["t1"])}
    )

    @dg.asset(partitions_def=grid)
    def draft() -> str:
        return "x"

    assert house.run([draft], partition_key=dg.MultiPartitionKey({"model": "m1", "template": "t1"})).success
    [row] = list(house.store.index.scan())
    assert (row.template_id, row.model_id, row.task_id) == ("t1", "m1", "m1|t1")


def test_run_and_experiment_are_kept(house: House) -> None:
    """The run's tag wins over the manager's option."""

    @dg.asset
    def draft() -> str:
        return "x"

    first = house.run([draft], manager={"experiment": "option"})
    second = house.run([draft], manager={"experiment": "option"}, tags={"doc_io/experiment": "tag"})

    assert [(row.run_id, row.experiment_id) for row in house.store.history("draft", "draft")] == [
        (second.run_id, "tag"),
        (first.run_id, "option"),
    ]


def test_documents_by_partition_of_an_asset_without_partitions_are_told_so(house: House) -> None:
    """It is not that they are data."""

    @dg.asset
    def draft() -> DocumentsByPartition:
        return DocumentsByPartition({"a": "text"})

    assert "Give the asset a partitions_def, or return the one text." in reason(house.run([draft]), "draft")


@pytest.mark.parametrize("value", [None, b"bytes", {"a": "b"}, 7, ["x"]])
def test_a_value_that_is_no_text_is_an_error_that_says_what_to_do_and_nothing_is_written(
    house: House, value: Any
) -> None:
    """It names the asset, and no retry pays for the same mistake again."""

    @dg.asset(retry_policy=dg.RetryPolicy(max_retries=2))
    def draft() -> Any:
        return value

    result = house.run([draft])
    said = reason(result, "draft")

    assert "asset draft" in said
    assert f"it is {type(value).__name__}, not text" in said
    assert "Return a str, or a doc_io.Document" in said
    assert not result.get_step_retries("draft") if hasattr(result, "get_step_retries") else True
    assert not (house.root / "docs").exists()


def test_a_stage_that_is_not_on_the_list_is_refused(house: House) -> None:
    """A misspelt stage would be a stage of its own; its text was paid for, and is kept as a failed one."""

    @dg.asset(metadata={"doc_io/stage": "darft"})
    def draft() -> str:
        return "x"

    said = reason(house.run([draft], manager={"stages": ["draft", "essay"]}), "draft")

    assert "darft" in said
    assert "draft, essay" in said
    assert [row.status for row in house.store.history("darft", "draft")] == ["gen_error"]


def test_a_root_that_cannot_be_written_fails_the_step_and_is_named(house: House) -> None:
    """With no retry: it would pay for another generation."""
    (house.root / "docs").write_text("in the way")

    @dg.asset(retry_policy=dg.RetryPolicy(max_retries=2))
    def draft() -> str:
        return "x"

    result = house.run([draft])

    assert str(house.root / "docs") in reason(result, "draft")
    assert not any(event.event_type_value == "STEP_UP_FOR_RETRY" for event in result.all_events)


def test_the_prompt_is_kept_beside_the_answer_unless_that_is_turned_off(house: House) -> None:
    """prompt_copy decides on prompt.txt."""

    @dg.asset
    def draft() -> Document:
        return Document("x", prompt="say x")

    house.run([draft])
    house.run([draft], manager={"prompt_copy": False})
    without, with_copy = house.store.history("draft", "draft")

    assert house.store.read(with_copy, "prompt") == "say x"
    assert without.prompt_path is None
    assert not (house.root / "docs" / without.doc_dir / "prompt.txt").exists()


def test_a_prompt_that_is_a_document_is_linked_and_copied(house: House) -> None:
    """doc_io/prompt names the input; prompt_path is that document's own file."""

    @dg.asset
    def prompt() -> str:
        return "say x"

    @dg.asset(metadata={"doc_io/prompt": "prompt"})
    def draft(prompt: str) -> str:
        return f"did: {prompt}"

    house.run([prompt, draft])
    source, row = house.store.history("prompt", "prompt")[0], house.store.history("draft", "draft")[0]

    assert row.prompt_path == f"{source.doc_dir}/raw.txt"
    assert house.store.read(row, "prompt") == "say x"
    assert (house.root / "docs" / row.doc_dir / "prompt.txt").read_text() == "say x"


def test_the_essay_of_a_kept_folder_reads_without_any_of_our_code(house: House) -> None:
    """Files, and nothing else."""

    @dg.asset
    def draft() -> str:
        return "plain"

    house.run([draft])
    [raw] = Path(house.root / "docs").rglob("raw.txt")
    assert raw.read_text() == "plain"
