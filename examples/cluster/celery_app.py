"""The Celery application of the workers: ``celery --app examples.cluster.celery_app worker``."""

from __future__ import annotations

import os

from dagster_celery.make_app import make_app
from dagster_celery.tasks import create_task

# A message counts as lost, and is delivered again, when no worker has acknowledged it after so many seconds. A step that
# takes longer runs twice, at the same time; one whose host lost its power waits for so long.
VISIBILITY_SECONDS = int(os.environ.get("VISIBILITY_SECONDS", "30"))

SETTINGS = {
    # Acknowledged when the step has ended: else the step of a host that lost its power would never end, nor its run.
    "task_acks_late": True,
    "task_reject_on_worker_lost": True,
    "worker_prefetch_multiplier": 1,
    "broker_transport_options": {
        "visibility_timeout": VISIBILITY_SECONDS,
        # kombu looks for lost messages every 100 s otherwise.
        "unacked_restore_interval": 1,
        "unacked_restore_throttle": 1,
        # A cable that was pulled is no closed connection: ask for an answer.
        "socket_timeout": 5,
        "socket_connect_timeout": 5,
        "health_check_interval": 5,
    },
    "broker_connection_retry_on_startup": True,
    "broker_connection_max_retries": None,
    "redis_socket_timeout": 5.0,
    "redis_socket_connect_timeout": 5.0,
    "task_default_queue": "dagster",
    # Imported by the worker before it forks: once, and not in each of its processes.
    "imports": [os.environ.get("DEFINITIONS", "examples.cluster.definitions"), "s3fs", "psycopg_pool"],
}

app = make_app({"broker": os.environ["BROKER_URL"], "backend": os.environ["BROKER_URL"], "config_source": SETTINGS})
execute_plan = create_task(app)
