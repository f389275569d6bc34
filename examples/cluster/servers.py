"""The servers of the cluster, each on a host of its own, and the programs that use them."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from botocore.session import get_session

from doc_io import DocumentStore
from examples.cluster.hosts import Host, HostError, Program, hosts, wait_until
from tests.servers.postgres import postgres_programs

ROOT = Path(__file__).parents[2]
SERVERS = ("broker", "database", "objects", "model", "control", "visitor")
DOCS_ROOT = "s3://documents/docs"
PASSWORD = "cluster-password"  # noqa: S105 - of a server that nobody else can reach
NOBODY = 65534
RESULT = "celery-task-meta-"
LOST_SECONDS = 20
"""A run that waits for so long, while no worker has anything to do, waits for a message that was lost."""
INSTANCE = """
storage: {postgres: {postgres_url: {env: DAGSTER_DB}}}
compute_logs: {module: dagster._core.storage.noop_compute_log_manager, class: NoOpComputeLogManager}
telemetry: {enabled: false}
nux: {enabled: false}
"""


@dataclass
class Cluster:
    """Hosts, servers and workers.

    Attributes:
        hosts: Every host, by name.
        env: What each program is told.
        definitions: The module that Dagster loads.
    """

    hosts: dict[str, Host]
    env: dict[str, str]
    definitions: str
    _programs: dict[str, Program] = field(default_factory=dict)

    @property
    def workers(self) -> list[Host]:
        """The hosts on which steps run."""
        return [host for name, host in self.hosts.items() if name.startswith("worker")]

    @property
    def ledger(self) -> Path:
        """The model's list of what it answered."""
        return self.hosts["model"].disk / "ledger.jsonl"

    def seconds_per_answer(self, seconds: float) -> None:
        """How long the model takes from now on."""
        self.ledger.with_name("seconds").write_text(str(seconds))

    def start_broker(self) -> None:
        """Redis, which keeps what it holds over a restart."""
        self._start("broker", "redis-server", "--bind", "0.0.0.0", "--protected-mode", "no", "--dir", "/srv", "--appendonly", "yes", "--save", "")  # noqa: S104 # fmt: skip
        self._wait_for("broker", self.redis().ping)

    def start_database(self) -> None:
        """PostgreSQL with a database for Dagster and one for the index."""
        self._start("database", "/srv/bin/postgres", "-D", "/srv/data", "-c", "listen_addresses=*", "-c", "unix_socket_directories=", "-c", "max_connections=300", user=NOBODY)  # fmt: skip
        url = self.env["DOC_IO_DB"].replace("/documents", "/postgres")

        def ready() -> bool:
            psycopg.connect(url, password=PASSWORD, connect_timeout=1).close()
            return True

        self._wait_for("database", ready)

    def start_objects(self) -> None:
        """S3, in memory: pull its cable rather than stop it. It can be used after `make_bucket`."""
        self._start("objects", sys.executable, "-m", "moto.server", "-H", "0.0.0.0", "-p", "9000")  # noqa: S104

    def make_bucket(self) -> None:
        """Make the bucket of the documents as soon as S3 answers."""
        keys = {name: self.env[f"AWS_{name.upper()}"] for name in ("access_key_id", "secret_access_key")}
        s3 = get_session().create_client(
            "s3",
            endpoint_url=self.env["AWS_ENDPOINT_URL"],
            region_name="us-east-1",
            **{f"aws_{name}": key for name, key in keys.items()},
        )
        self._wait_for("objects", lambda: s3.create_bucket(Bucket="documents"))

    def start_model(self) -> None:
        """The model."""
        self._start("model", sys.executable, "-m", "examples.cluster.model", "8000", "/srv/ledger.jsonl")

    def start_webserver(self) -> None:
        """Dagster's webserver; it need not be up for anything else."""
        self._start("control", "-m", "dagster_webserver", "-h", "0.0.0.0", "-p", "3000", "-m", self.definitions, log="webserver")  # noqa: S104 # fmt: skip

    def start_worker(self, host: Host, processes: int = 2) -> None:
        """A Celery worker on a host that has just been switched on."""
        self._start(host.name, sys.executable, "-m", "celery", "--app", "examples.cluster.celery_app", "worker", "--queues", "dagster", "--concurrency", str(processes), "--hostname", f"steps@{host.name}", "--loglevel", "info", "--without-gossip", "--without-mingle")  # fmt: skip

    def wait_for_workers(self) -> None:
        """Wait until every worker has come up; what is sent to them before waits too.

        Raises:
            HostError: One has ended.
        """
        logs = {host.name: host.disk / f"{host.name}.log" for host in self.workers}
        wait_until(
            lambda: all(self._is_running(name) and "ready." in log.read_text("utf-8", "replace") for name, log in logs.items()),
            "the workers to start",
        )  # fmt: skip

    def stop(self, name: str, number: signal.Signals = signal.SIGTERM) -> None:
        """End the program of a host."""
        self._programs.pop(name).stop(number)

    def program(self, name: str) -> Program:
        """The program of a host."""
        return self._programs[name]

    def sql(self) -> psycopg.Connection[Any]:
        """A connection to the index, for use within ``network()`` of a host."""
        return psycopg.connect(self.env["DOC_IO_DB"], password=PASSWORD, connect_timeout=2)

    def redis(self) -> Any:
        """A client of the broker, for use within ``network()`` of a host."""
        from redis import Redis  # noqa: PLC0415 - of the extra `cluster`, without which the tests must be collected

        return Redis(self.hosts["broker"].address, socket_timeout=60)

    def is_idle(self) -> bool:
        """Whether every message is acknowledged.

        A run ends with the first result of a step: where that was delivered twice, the other one may still be at work.
        """
        with self.hosts["control"].network():
            return bool(self.waiting() + self.redis().hlen("unacked") == 0)

    def fail_lost_steps(self) -> None:
        """Tell the runs of steps that they wait for, while no worker has any, that these have failed.

        Redis takes a message off its list for a worker that has just lost its power or its cable, and before that one has
        said that it has it: Celery never delivers it again, and the run would wait for ever. Nothing was paid.
        """
        from dagster_celery.make_app import make_app  # noqa: PLC0415 - of the extra `cluster`

        url = self.env["BROKER_URL"]
        with self.hosts["control"].network():
            results = make_app({"broker": url, "backend": url}).backend
            for channel in self.redis().pubsub_channels(f"{RESULT}*"):  # a run listens to each of its steps
                results.store_result(
                    channel.decode().removeprefix(RESULT), HostError("its message was lost"), "FAILURE"
                )

    def waiting(self) -> int:
        """How many messages no worker has taken yet, for use within ``network()`` of a host."""
        broker = self.redis()
        return sum(broker.llen(queue) for queue in broker.scan_iter("dagster*", _type="list"))

    def store(self) -> DocumentStore:
        """The documents, for use within ``network()`` of a host."""
        options = {
            "key": self.env["AWS_ACCESS_KEY_ID"],
            "secret": self.env["AWS_SECRET_ACCESS_KEY"],
            "endpoint_url": self.env["AWS_ENDPOINT_URL"],
            "client_kwargs": {"region_name": "us-east-1"},
        }
        url = self.env["DOC_IO_DB"].replace("@", f":{PASSWORD}@")
        return DocumentStore(DOCS_ROOT, db_url=url, storage_options=options)

    def _start(self, host: str, *command: str, user: int = 0, log: str | None = None) -> None:
        python = () if not command[0].startswith("-m") else (sys.executable,)
        name = log or host
        self._programs[name] = self.hosts[host].start(*python, *command, env=self.env, log=f"{name}.log", user=user)

    def _is_running(self, name: str) -> bool:
        if self._programs[name].entrance.poll() is not None:
            raise HostError(f"{name} ended: {self.hosts[name].tail(f'{name}.log')}")
        return True

    def _wait_for(self, name: str, ask: Callable[[], object]) -> None:
        def ready() -> bool:
            try:
                return self._is_running(name) and bool(ask())
            except HostError:
                raise
            except Exception:  # noqa: BLE001 - of three clients: it is not there yet
                return False

        with self.hosts["control"].network():
            wait_until(ready, f"{name} to start")


class Driver:
    """Runs jobs on the cluster, from the host of the webserver."""

    def __init__(self, cluster: Cluster, processes: int) -> None:
        control = cluster.hosts["control"]
        command = (sys.executable, "-m", "examples.cluster.driver", cluster.definitions, str(processes))
        self._program = control.start(*command, env=cluster.env, log="driver.log", pipe=True)
        self._outcomes = control.disk / "outcomes.jsonl"
        self._asked = self._returned = 0
        self._cluster = cluster
        self._at_work = time.monotonic()

    def run(self, topics: Sequence[str], assets: Sequence[str]) -> None:
        """Begin a run for each topic; ``-`` stands for what has none."""
        assert self._program.entrance.stdin is not None
        for topic in topics:
            self._program.entrance.stdin.write(f"{topic} {','.join(assets)}\n")
        self._program.entrance.stdin.flush()
        self._asked += len(topics)

    @property
    def under_way(self) -> int:
        """How many runs have not ended."""
        if self._program.entrance.poll() is not None:
            raise HostError(f"the driver ended: {self._outcomes.with_name('driver.log').read_text()[-3000:]}")
        return self._asked - len(self._lines())

    def attend(self) -> int:
        """Fail the steps whose messages were lost, to be called often while nothing is broken; how many runs have not ended."""
        if not self._cluster.is_idle():
            self._at_work = time.monotonic()
        elif time.monotonic() - self._at_work > LOST_SECONDS:
            self._cluster.fail_lost_steps()
            self._at_work = time.monotonic()
        return self.under_way

    def wait(self) -> list[dict[str, Any]]:
        """Wait for every run that was asked for, and return how those ended that had not been returned before.

        Raises:
            HostError: One takes longer.
        """
        self._at_work = time.monotonic()
        wait_until(lambda: self.attend() == 0, "the runs")
        ended = [json.loads(line) for line in self._lines()[self._returned :]]
        self._returned += len(ended)
        return ended

    def _lines(self) -> list[str]:
        return self._outcomes.read_text(encoding="utf-8").splitlines() if self._outcomes.exists() else []


@contextmanager
def cluster(
    workers: int, *, definitions: str = "examples.cluster.definitions", visibility_seconds: int = 30
) -> Iterator[Cluster]:
    """Start everything but the webserver; the workers may not be ready yet.

    Args:
        workers: How many hosts run steps.
        definitions: The module that Dagster loads.
        visibility_seconds: See `examples.cluster.celery_app`.
    """
    with hosts([*SERVERS, *(f"worker-{number}" for number in range(1, workers + 1))]) as made:
        started = Cluster(
            made,
            {**_environment(made), "DEFINITIONS": definitions, "VISIBILITY_SECONDS": str(visibility_seconds)},
            definitions,
        )
        _prepare(started)
        started.start_model()
        started.start_broker()
        for worker in started.workers:
            started.start_worker(worker)
        started.start_objects()
        _make_database(started)
        started.start_database()
        with made["control"].network(), psycopg.connect(_superuser(made), password=PASSWORD, autocommit=True) as sql:
            for name in ("dagster", "documents"):
                sql.execute(f"CREATE DATABASE {name}")
        started.make_bucket()
        yield started


def _environment(made: dict[str, Host]) -> dict[str, str]:
    address = {name: host.address for name, host in made.items()}
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "DOC_IO_", "PG"))}
    return {
        **kept,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}",
        "PYTHONDONTWRITEBYTECODE": "1",
        "DAGSTER_HOME": "/srv/dagster",
        "DAGSTER_DB": f"postgresql+psycopg2://postgres@{address['database']}/dagster",
        "DOC_IO_DOCS_ROOT": DOCS_ROOT,
        "DOC_IO_DB": f"postgresql://postgres@{address['database']}/documents",
        "PGPASSWORD": PASSWORD,
        "PGCONNECT_TIMEOUT": "5",
        "AWS_ENDPOINT_URL": f"http://{address['objects']}:9000",
        "AWS_ACCESS_KEY_ID": "cluster",
        "AWS_SECRET_ACCESS_KEY": "cluster-secret",
        "AWS_DEFAULT_REGION": "us-east-1",
        "BROKER_URL": f"redis://{address['broker']}:6379/0",
        "MODEL_URL": f"http://{address['model']}:8000",
    }


def _superuser(made: dict[str, Host]) -> str:
    return f"postgresql://postgres@{made['database'].address}/postgres"


def _prepare(started: Cluster) -> None:
    """What lies on the disks before the first start."""
    for host in (started.hosts["control"], *started.workers):
        (host.disk / "dagster").mkdir()
        (host.disk / "dagster/dagster.yaml").write_text(INSTANCE)


def _make_database(started: Cluster) -> None:
    """PostgreSQL's files, with passwords."""
    disk = started.hosts["database"].disk
    os.chown(disk, NOBODY, NOBODY)
    installed = postgres_programs(disk / "postgres")
    (disk / "bin").symlink_to(Path("/srv") / installed.relative_to(disk))
    password = disk / "password"
    password.write_text(PASSWORD)
    initdb = started.hosts["database"].start("/srv/bin/initdb", "--pgdata", "/srv/data", "--username", "postgres", "--pwfile", "/srv/password", "--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C", "--no-sync", log="initdb.log", user=NOBODY)  # fmt: skip
    if initdb.entrance.wait(300):
        raise HostError(started.hosts["database"].tail("initdb.log"))
    with (disk / "data/pg_hba.conf").open("a") as rules:
        # Dagster opens a connection for each question: a password would cost it more than the question.
        rules.write("host dagster all samenet trust\nhost all all samenet scram-sha-256\n")
