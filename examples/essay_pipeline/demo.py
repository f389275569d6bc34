"""``python -m examples.essay_pipeline.demo``: run the pipeline in a real Dagster instance and show what it wrote.

Everything goes into ``data/``; a second run adds newer versions beside the first ones.
"""

import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import dagster as dg

from doc_io import DocumentRow, DocumentStore, Status, reports
from doc_io.escaping import printable
from examples.essay_pipeline.assets import packages
from examples.essay_pipeline.corpus import longest
from examples.essay_pipeline.definitions import DB_PATH, DOCS_ROOT, defs
from examples.essay_pipeline.prompts import ESSAYS
from examples.essay_pipeline.writer import from_environment

DAGSTER_HOME = Path("data/dagster_home")
INSTANCE = "telemetry: {enabled: false}\nnux: {enabled: false}\n"
TAGS = {"doc_io/experiment": "demo", "doc_io/force": "true"}
"""The second makes every run ask anew: else an asset hands on the answer that is stored, and there would be one version each."""

STAGES = ("draft", "essay", "evaluation")
PARTITIONS = 10
TOO_FEW = 25  # tokens, for the answers that are to be cut


def main() -> None:
    """Run every package through the pipeline, then tell what is on disk and in the index."""
    started = time.monotonic()
    with open_instance() as instance, DocumentStore(DOCS_ROOT, DB_PATH) as store:
        names = longest(PARTITIONS)
        instance.add_dynamic_partitions(str(packages.name), names)
        write_all(instance, store, names)
        known = instance.get_dynamic_partitions(str(packages.name))
        seconds = time.monotonic() - started
        rows = [row for stage in STAGES for name in known for row in store.history(stage, name)]
        rows += store.history("scoreboard", "scoreboard")
        show_counts(rows, seconds)
        show_lineage(store, rows)
        show_kept_failure(store, rows)
        show_comparison(store)
    show_commands(rows)


def open_instance() -> dg.DagsterInstance:
    """The Dagster instance in ``data/dagster_home``, the one that the UI is started on afterwards."""
    DAGSTER_HOME.mkdir(parents=True, exist_ok=True)
    settings = DAGSTER_HOME / "dagster.yaml"
    if not settings.exists():
        settings.write_text(INSTANCE, encoding="utf-8")
    return dg.DagsterInstance.from_config(str(DAGSTER_HOME.resolve()))


def write_all(instance: dg.DagsterInstance, store: DocumentStore, names: Sequence[str]) -> None:
    """Run each package, some of them with too few tokens at one step, then the scoreboard; a line for each run."""
    say(
        f"{len(names)} texts: descriptions of the Python packages installed here. Writer: {from_environment().model_id}."
    )
    say(
        f"Three answers get only {TOO_FEW} tokens, on purpose: what is cut fails, is kept, and nothing is made from it."
    )
    say()
    width = max(len("scoreboard"), *map(len, names))
    say(f"  {'package':<{width}}" + "".join(f"  {stage:<10}" for stage in STAGES).rstrip())

    def step(name: str, note: str = "", **options: str) -> None:
        options.setdefault("template", ESSAYS[names.index(name) % len(ESSAYS)])
        result = run(instance, "write_essays", name, **options)
        words = "".join(f"  {outcome(result, stage, store):<10}" for stage in STAGES)
        say(f"  {name:<{width}}{words}  {note}".rstrip())
        tell_surprises(result, store)

    for name in names[:-2]:
        step(name)
    step(names[-2], cut="draft")
    step(names[-1], cut="essay")
    step(names[0], "its essay again", cut="essay", only="essay")
    step(names[2], "with the other prompt", template=ESSAYS[1])
    result = run(instance, "compare_essays")
    say(f"  {'scoreboard':<{width}}  {outcome(result, 'scoreboard', store)}")
    tell_surprises(result, store)


def run(
    instance: dg.DagsterInstance,
    job: str,
    name: str | None = None,
    *,
    template: str | None = None,
    cut: str | None = None,
    only: str | None = None,
) -> dg.ExecuteInProcessResult:
    """One run of a job, for one package; the answer of the step ``cut`` gets too few tokens."""
    config: dict[str, Any] = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    settings: dict[str, dict[str, Any]] = {"essay": {"template_id": template}} if template else {}
    if cut:
        settings[cut] = {**settings.get(cut, {}), "max_tokens": TOO_FEW}
    config["ops"] = {step: {"config": each} for step, each in settings.items() if only in (None, step)}
    return defs.resolve_job_def(job).execute_in_process(
        run_config=config,
        instance=instance,
        partition_key=name,
        asset_selection=[dg.AssetKey(only)] if only else None,
        tags=TAGS,
        raise_on_error=False,
    )


def outcome(result: dg.ExecuteInProcessResult, stage: str, store: DocumentStore) -> str:
    """What a step ended with: the status of its document, ``failed`` where it left none, ``-`` where it did not run."""
    task = result.dagster_run.tags.get("dagster/partition", stage)
    statuses = [str(row.status) for row in store.history(stage, task) if row.run_id == result.run_id]
    failed = any(event.step_key == stage for event in result.get_step_failure_events())
    return statuses[0] if statuses else "failed" if failed else "-"


def tell_surprises(result: dg.ExecuteInProcessResult, store: DocumentStore) -> None:
    """Why a step failed that was not meant to: a key that is refused, say."""
    for event in result.get_step_failure_events():
        if outcome(result, str(event.step_key), store) != Status.TRUNCATED:
            error = event.step_failure_data.error
            cause = error.cause or error if error else None
            say(f"    {event.step_key}: {line_of(cause.message if cause else 'no reason given', 200)}")


def show_counts(rows: Sequence[DocumentRow], seconds: float) -> None:
    """How many documents of each stage ended how, from the index."""
    say()
    say(f"What is in {DOCS_ROOT} after {seconds:.0f} seconds")
    say()
    say(f"  {'stage':<12}{'status':<14}documents")
    for (stage, status), count in sorted(Counter((row.stage, str(row.status)) for row in rows).items()):
        say(f"  {stage:<12}{status:<14}{count:>9}")


def show_lineage(store: DocumentStore, rows: Sequence[DocumentRow]) -> None:
    """One evaluation to open, and what it was made from."""
    evaluation = newest(row for row in rows if row.stage == "evaluation" and row.status == Status.OK)
    if evaluation is None:
        return
    say()
    say("One document: open this folder")
    say()
    say(f"  {DOCS_ROOT}/{evaluation.doc_dir}/")
    for file in sorted((Path(DOCS_ROOT) / evaluation.doc_dir).iterdir()):
        say(f"    {file.name:<16}{file.stat().st_size:>6} bytes")
    say()
    say(f"Its lineage: {evaluation.task_id} scored {line_of(store.read(evaluation, 'parsed'))} of 10")
    say()
    row: DocumentRow | None = evaluation
    arrow = ""
    while row is not None:
        say(f"  {arrow + row.stage:<15}{row.doc_id}  {row.template_id:<9}{tokens(row)}  {row.created_at[:19]}Z")
        row = store.get(row.parent_doc_id) if row.parent_doc_id else None
        arrow = "← "


def show_kept_failure(store: DocumentStore, rows: Sequence[DocumentRow]) -> None:
    """One answer that was cut: its text is there, and the older one is still what is loaded."""
    failed = newest(row for row in rows if row.status == Status.TRUNCATED)
    if failed is None:
        return
    say()
    say("A failure that was kept: the answer was cut, the step failed, the text is there")
    say()
    say(
        f"  {failed.stage} of {failed.task_id}: {failed.status}, {tokens(failed).strip()} of {failed.usage_max_tokens} allowed"
    )
    say(f"  {DOCS_ROOT}/{failed.doc_dir}/raw.txt")
    say(f"  “{line_of(store.read(failed, 'raw'))}”")
    older = store.latest(failed.stage, failed.task_id)
    if older is not None:
        say(f"  What is loaded downstream is still {older.doc_id}, the newest ok {older.stage}.")


def show_comparison(store: DocumentStore) -> None:
    """Whether the second prompt for essays did better than the first: half of the packages got each, one of them both."""
    say()
    say("Did the new prompt help? The scores of the evaluations by the template of the essay they judge")
    say()
    say(f"  {'essay':<12}documents  mean score  best quarter from")
    for group in reports.compare(store, "evaluation", by="essay.template_id"):
        score = group.score
        if score is not None:
            say(f"  {group.group or '-':<12}{group.documents:>9}  {score.mean:>10.1f}  {score.upper_quartile:>17.1f}")
    say()
    say(f"  {program('doc-io')} compare evaluation --by essay.template_id")


def show_commands(rows: Sequence[DocumentRow]) -> None:
    """How to look at the same in SQL and in Dagster's UI."""
    say()
    say("The same in your browser: what is not ok and why, and what the second prompt made of the same notes")
    say()
    say(f"  {program('doc-io')} serve")
    say()
    say("  http://localhost:8712/")
    essays = [row for row in rows if row.stage == "essay" and row.status == Status.OK]
    second = newest(row for row in essays if row.template_id == ESSAYS[1] and row.lineage_prev_doc_id is not None)
    if second is not None:
        say(f"  http://localhost:8712/compare?a={second.lineage_prev_doc_id}&b={second.doc_id}")
    say()
    say("The same in SQL")
    say()
    say(f"  sqlite3 {DB_PATH} 'select stage, status, count(*) from documents group by 1, 2'")  # noqa: S608 - for the reader's shell
    say()
    say(
        "The same in Dagster's UI: start it, then open the document's page, and the failed step that links what it kept"
    )
    say()
    say(f'  DAGSTER_HOME="$PWD/{DAGSTER_HOME}" {program("dagster")} dev -f examples/essay_pipeline/definitions.py')
    say()
    good = newest(row for row in rows if row.stage == "evaluation" and row.status == Status.OK)
    if good is not None:
        say(f"  http://localhost:3000/assets/evaluation?view=partitions&partition={good.task_id}")
    failed = newest(row for row in rows if row.status != Status.OK)
    if failed is not None:
        say(f"  http://localhost:3000/runs/{failed.run_id}?logs=type%3ASTEP_FAILURE")


def program(name: str) -> Path:
    """A program of the environment that runs this, as it is typed from here."""
    beside = Path(sys.executable).with_name(name)
    return beside.relative_to(Path.cwd()) if beside.is_relative_to(Path.cwd()) else beside


def newest(rows: Iterable[DocumentRow]) -> DocumentRow | None:
    """The newest row, if there is any."""
    return max(rows, key=lambda row: (row.created_at, row.seq), default=None)


def tokens(row: DocumentRow) -> str:
    """The tokens of a document's answer, in a column."""
    return f"{row.usage_completion_tokens or 0:>6} tokens"


def line_of(text: str, limit: int = 100) -> str:
    """A text on one line that is safe to print, cut where it is long."""
    return printable(" ".join(text.split()), limit=limit)


def say(line: str = "") -> None:
    """Print a line at once, also into a pipe."""
    print(line, flush=True)  # noqa: T201 - what the demo is for


if __name__ == "__main__":
    main()
