"""The ways to write that go through Dagster: a failed generation, and one run over many partitions.

A step that fails with the news that its documents were kept has acknowledged every one of them; any other failure is an error.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import dagster as dg

from doc_io import DocDirIOManager, DocIOError, Document, DocumentsByPartition
from tests.faults.writers import Acknowledge, database, docs, open_store, spool_folder

CUT_SHORT = Document("half an ans", finish_reason="length", prompt="write an answer")
BEFORE: dict[str, Callable[[Path], None]] = {}
"""What a writer's root holds before it begins: nothing."""
KEYS = ["a", "b/../c", "d"]
TEXTS: Mapping[str, str | Document] = {"a": "the first", "b/../c": CUT_SHORT, "d": "the third"}

# One for all forks, each of which gets its own copy of it: it lives in memory, and takes longer to make than to use.
INSTANCE = dg.DagsterInstance.ephemeral()


@dg.failure_hook
def told(context: dg.HookContext) -> None:
    """The step's failure is known now; its connections are still open, and nothing has been written since to help it."""
    _listening[0](context.run_id, str(getattr(context.op_exception, "description", context.op_exception)))


_listening: list[Callable[[str, str], None]] = []


@dg.asset(hooks={told})
def essay() -> Document:
    """A generation that was cut short, and paid for."""
    return CUT_SHORT


@dg.asset(
    hooks={told}, partitions_def=dg.StaticPartitionsDefinition(KEYS), backfill_policy=dg.BackfillPolicy.single_run()
)
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
    ended: list[BaseException | None] = []

    def listen(run_id: str, description: str) -> None:
        try:
            judge(run_id, description)
        except BaseException as error:  # noqa: BLE001 - Dagster only logs what a hook raises
            ended.append(error)
        else:
            ended.append(None)

    def judge(run_id: str, description: str) -> None:
        if "kept on this machine" in description:
            waiting = list(spool_folder(root).glob("*/*/[!.]*/raw.txt"))
            assert len(waiting) == len(made), f"promise 5: {len(waiting)} of {len(made)} documents were spooled"
            for path in waiting:
                acknowledge(path.parent.name, path.read_text())
        if "kept" not in description or "kept on this machine" in description:
            raise DocIOError(reason=description)
        with open_store(root) as store:
            rows = [row for row in store.index.scan() if row.run_id == run_id]
        assert len(rows) == len(made), f"promise 5: the step failed with {len(rows)} of {len(made)} documents kept"
        for row in rows:
            document = made.get(row.task_id, CUT_SHORT)
            acknowledge(row.doc_id, document if isinstance(document, str) else document.raw or "")

    _listening[:] = [listen]
    manager = DocDirIOManager(docs_root=str(docs(root)), db_path=str(database(root)), spool=str(spool_folder(root)))
    dg.materialize([asset], resources={"io_manager": manager}, raise_on_error=False, tags=tags, instance=INSTANCE)
    [error] = ended
    if error is not None:
        raise error
