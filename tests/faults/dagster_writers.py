"""The ways to write that go through Dagster: a failed generation, and one run over many partitions.

A step that fails with the news that its documents were kept has acknowledged every one of them; any other failure is an error.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import dagster as dg

from doc_io import DocDirIOManager, DocIOError, Document, DocumentsByPartition
from tests.faults.writers import Acknowledge, database, docs, open_store

CUT_SHORT = Document("half an ans", finish_reason="length", prompt="write an answer")
BEFORE: dict[str, Callable[[Path], None]] = {}
"""What a writer's root holds before it begins: nothing."""
KEYS = ["a", "b/../c", "d"]
TEXTS: Mapping[str, str | Document] = {"a": "the first", "b/../c": CUT_SHORT, "d": "the third"}

# One for all forks, each of which gets its own copy of it: it lives in memory, and takes longer to make than to use.
INSTANCE = dg.DagsterInstance.ephemeral()


@dg.asset
def essay() -> Document:
    """A generation that was cut short, and paid for."""
    return CUT_SHORT


@dg.asset(partitions_def=dg.StaticPartitionsDefinition(KEYS), backfill_policy=dg.BackfillPolicy.single_run())
def essays() -> DocumentsByPartition:
    """Three generations of one run, of which one was cut short."""
    return DocumentsByPartition(TEXTS)


def failed_generation(root: Path, acknowledge: Acknowledge) -> None:
    """A step that fails because its document is not ok: by then the document is kept."""
    _run(essay, {"": CUT_SHORT}, root, acknowledge, {})


def single_run(root: Path, acknowledge: Acknowledge) -> None:
    """A backfill of three partitions in one run, one of them not ok: by then all three are kept."""
    ends = {"dagster/asset_partition_range_start": KEYS[0], "dagster/asset_partition_range_end": KEYS[-1]}
    _run(essays, TEXTS, root, acknowledge, ends)


def _run(
    asset: dg.AssetsDefinition,
    made: Mapping[str, str | Document],
    root: Path,
    acknowledge: Acknowledge,
    tags: Mapping[str, str],
) -> None:
    manager = DocDirIOManager(docs_root=str(docs(root)), db_path=str(database(root)))
    result = dg.materialize(
        [asset], resources={"io_manager": manager}, raise_on_error=False, tags=tags, instance=INSTANCE
    )
    (failure,) = (event.step_failure_data for event in result.all_events if event.is_step_failure)
    said = failure.user_failure_data.description if failure.user_failure_data else None
    if "kept" not in (said or ""):
        raise DocIOError(reason=failure.error_display_string)
    with open_store(root) as store:
        rows = [row for row in store.index.scan() if row.run_id == result.run_id]
        assert len(rows) == len(made), f"promise 5: the step failed with {len(rows)} of {len(made)} documents kept"
        for row in rows:
            document = made.get(row.task_id, CUT_SHORT)
            acknowledge(row.doc_id, document if isinstance(document, str) else document.raw or "")
