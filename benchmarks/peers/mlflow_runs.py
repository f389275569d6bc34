"""MLflow: a run a version, its text an artifact, its facts tags and metrics; SQLite behind it."""

from __future__ import annotations

import logging
import os
from pathlib import Path

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

import mlflow
from mlflow.tracking import MlflowClient

from benchmarks.peers.base import Peer


class Contender(Peer):
    """One experiment; the newest finished run of a key is its latest."""

    LACKS = "texts without fsync; its database is synced"

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        logging.getLogger("alembic").setLevel(logging.WARNING)
        mlflow.set_tracking_uri(f"sqlite:///{root}/mlflow.db")
        self._client = MlflowClient()
        self._experiment = self._client.create_experiment("bench", artifact_location=(root / "artifacts").as_uri())

    def write(self, key: str, text: str) -> None:
        with mlflow.start_run(experiment_id=self._experiment, tags={"task": key, "status": "ok", "model": "model-1"}):
            mlflow.log_text(text, "raw.txt")
            mlflow.log_metric("completion_tokens", 2000)

    def read(self, key: str) -> str:
        [run] = self._client.search_runs(
            [self._experiment],
            f"tags.task = '{key}' and tags.status = 'ok'",
            order_by=["start_time DESC"],
            max_results=1,
        )
        return str(mlflow.artifacts.load_text(f"{run.info.artifact_uri}/raw.txt"))

    def history(self, key: str) -> int:
        return len(self._client.search_runs([self._experiment], f"tags.task = '{key}'", order_by=["start_time DESC"]))

    def totals(self) -> int:
        total, token = 0, None
        while True:
            page = self._client.search_runs([self._experiment], max_results=5_000, page_token=token)
            total += sum(int(run.data.metrics.get("completion_tokens", 0)) for run in page)
            token = page.token
            if not token:
                return total
