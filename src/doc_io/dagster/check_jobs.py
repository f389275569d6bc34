"""The checks by themselves: a job for them, and a sensor that runs it where a failed run has left them undone.

Dagster plans the checks of an asset with it, and where the asset's step fails, each of them is shown as failed ("Execution
Failed"), whatever the documents are like. The sensor has them run after all: then ``status_valid`` is red, and the others
say what is true of the document that readers get.
"""

from collections.abc import Sequence
from typing import Any

from dagster import (
    AssetCheckKey,
    AssetSelection,
    DagsterEventType,
    DagsterInstance,
    DagsterRun,
    DagsterRunStatus,
    DefaultSensorStatus,
    RunRequest,
    RunStatusSensorContext,
    SensorDefinition,
    SkipReason,
    define_asset_job,
    run_status_sensor,
)

from doc_io.dagster.checks import CHECK_NAMES, PARTITION_TAGS, named_assets


def build_document_checks_job(*, assets: Sequence[Any], name: str = "document_checks") -> Any:
    """A job that runs the checks of `build_document_checks` and makes nothing: for a schedule, the UI or the sensor.

    Args:
        assets: As for `build_document_checks`, whose result belongs into the same ``Definitions``.
        name: The job's name.

    Returns:
        A job for ``Definitions(jobs=…)``.
    """
    selection = AssetSelection.checks(*_keys(assets))
    return define_asset_job(name, selection=selection, description="Checks documents, and makes none.")


def build_document_checks_sensor(
    *, assets: Sequence[Any], job: Any, name: str = "document_checks_after_failure"
) -> SensorDefinition:
    """A sensor that has the checks run which a failed run has left undone, for the same partitions.

    Args:
        assets: As for `build_document_checks_job`.
        job: What that returned.
        name: The sensor's name.

    Returns:
        A sensor for ``Definitions(sensors=…)``; it is on unless it is turned off in the UI.
    """
    known = _keys(assets)

    @run_status_sensor(
        run_status=DagsterRunStatus.FAILURE,
        name=name,
        request_job=job,
        default_status=DefaultSensorStatus.RUNNING,
        description="Runs the checks of documents that a failed run has left undone.",
    )
    def after_failure(context: RunStatusSensorContext) -> RunRequest | SkipReason:
        run = context.dagster_run
        undone = [] if run.job_name == job.name else _undone(context.instance, run, known)
        if not undone:
            return SkipReason(f"Run {run.run_id} has left no check of documents undone.")
        tags = {tag: run.tags[tag] for tag in PARTITION_TAGS if tag in run.tags}
        return RunRequest(run_key=run.run_id, job_name=job.name, asset_check_keys=undone, tags=tags)

    return after_failure


def _keys(assets: Sequence[Any]) -> list[AssetCheckKey]:
    return [AssetCheckKey(key, check) for key, _ in named_assets(assets) for check in CHECK_NAMES]


def _undone(instance: DagsterInstance, run: DagsterRun, known: Sequence[AssetCheckKey]) -> list[AssetCheckKey]:
    """The checks of assets that a run was to make, without those that it got to."""
    planned = {
        event.asset_key
        for entry in instance.all_logs(run.run_id, of_type=DagsterEventType.ASSET_MATERIALIZATION_PLANNED)
        if (event := entry.dagster_event) is not None
    }
    done = {
        event.asset_check_evaluation_data.asset_check_key
        for entry in instance.all_logs(run.run_id, of_type=DagsterEventType.ASSET_CHECK_EVALUATION)
        if (event := entry.dagster_event) is not None
    }
    return [key for key in known if key.asset_key in planned and key not in done]
