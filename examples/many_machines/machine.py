"""One machine: a Dagster instance and a process of its own, which runs the job once over all topics.

It prints the documents that Dagster was told of, one a line: each of them was acknowledged.
"""

import json
import logging
import sys
import tempfile
from pathlib import Path

import dagster as dg

from examples.many_machines.pipeline import TOPICS, write_all


def main() -> int:
    """Run the job in the multiprocess executor: each step is a process again."""
    logging.disable(logging.INFO)
    with tempfile.TemporaryDirectory() as home:
        Path(home, "dagster.yaml").write_text("telemetry: {enabled: false}\n", encoding="utf-8")
        with (
            dg.DagsterInstance.from_config(home) as instance,
            dg.execute_job(
                dg.reconstructable(write_all),
                instance,
                tags={
                    "dagster/asset_partition_range_start": TOPICS[0],
                    "dagster/asset_partition_range_end": TOPICS[-1],
                },
                run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            ) as result,
        ):
            for event in result.all_events:
                if event.is_step_materialization:
                    metadata = event.step_materialization_data.materialization.metadata
                    print(json.dumps({"doc_id": metadata["doc_id"].value, "run_id": result.run_id}))
                elif event.is_step_failure:
                    print(event.step_failure_data.error, file=sys.stderr)
            return 0 if result.success else 1


if __name__ == "__main__":
    raise SystemExit(main())
