"""Connections to one PostgreSQL database: pooled, one pool for each process, replaced when they break, silent about the password."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from doc_io.errors import ConfigurationError, IndexAccessError, IndexBusyError

if TYPE_CHECKING:
    import psycopg
    from psycopg_pool import ConnectionPool

STATEMENT_SECONDS = 30
"""How long one statement may take, its waiting for other writers included; the server ends it then."""

_CONNECT_SECONDS = 10
_MAX_CONNECTIONS = 8  # of a process; a further thread waits for one
_IDLE_SECONDS = 60.0  # after which an unused one is closed

# Of a connection that a firewall dropped without a word TCP learns after two hours, unless it asks
# (postgresql.org/docs/current/libpq-connect.html, "keepalives").
_LIVENESS = {
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": STATEMENT_SECONDS * 1000,
}

# A server set to lose the last commits on a crash (synchronous_commit = off) would take back what was acknowledged.
_SETTINGS = (
    f"SELECT set_config('statement_timeout', '{STATEMENT_SECONDS}s', false),"
    " CASE current_setting('synchronous_commit') WHEN 'off' THEN set_config('synchronous_commit', 'on', false) END"
)

_SCHEME = re.compile(r"postgres(?:ql)?(?:\+\w+)?://")
_OF_THE_PASSWORD = re.compile(r"([?&])(?:password|sslpassword)=([^&]*)")

# A pool that came over a fork may be neither used nor closed: it would end the parent's connections.
_inherited: list[ConnectionPool[Any]] = []


class Pool:
    """Connections to one database, made when they are needed.

    Args:
        url: ``postgresql://…`` as libpq and SQLAlchemy write it. What it leaves out libpq takes from its environment.

    Raises:
        ConfigurationError: It is no such URL; the message does not show it.
    """

    def __init__(self, url: str) -> None:
        self._url = _SCHEME.sub("postgresql://", url, count=1)
        try:
            parts = urlsplit(self._url)
            host = f"{parts.hostname or ''}{f':{parts.port}' if parts.port else ''}"
        except ValueError:
            raise ConfigurationError(
                setting="db_url",
                reason="it is not a valid URL",
                hint="Write it as postgresql://user@host:5432/database.",
            ) from None
        self.name = f"postgresql://{host}{parts.path}"
        self.address = without_password(self._url)
        self._secrets = _secrets(self._url, parts.password)
        self.has_password = bool(self._secrets)
        self._lock = threading.Lock()
        self._pool: ConnectionPool[Any] | None = None
        self._process = 0

    @contextmanager
    def connection(self) -> Iterator[psycopg.Connection[Any]]:
        """A connection in autocommit, given back at the end of the block."""
        with self._of_this_process().connection() as connection:
            yield connection

    def direct(self) -> psycopg.Connection[Any]:
        """A connection outside the pool, which the caller closes. Its failure says why, where a pool only says too late."""
        import psycopg  # noqa: PLC0415 - only those who use PostgreSQL wait for its driver

        return psycopg.connect(self._url, autocommit=True, connect_timeout=_CONNECT_SECONDS, **self._defaults())

    def discard_broken(self) -> None:
        """Discard broken connections: all of them, after a restart of the server."""
        with self._lock:
            pool = self._pool if self._process == os.getpid() else None
        if pool is not None:
            pool.check()

    def close(self) -> None:
        """Close every connection of this process."""
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is None:
            return
        if self._process == os.getpid():
            pool.close()
        else:
            _inherited.append(pool)

    def error(self, error: psycopg.Error) -> IndexAccessError:
        """What went wrong, in words without the password."""
        from psycopg.errors import LockNotAvailable, QueryCanceled  # noqa: PLC0415 - as in `direct`

        if isinstance(error, (LockNotAvailable, QueryCanceled)):
            return IndexBusyError(
                index=self.name, seconds=STATEMENT_SECONDS, holder="another connection", what="one statement"
            )
        reason = " ".join(str(error).split()) or type(error).__name__
        for secret in self._secrets:
            reason = reason.replace(secret, "***")
        return IndexAccessError(index=self.name, reason=reason)

    def _of_this_process(self) -> ConnectionPool[Any]:
        pool = self._pool
        if pool is not None and self._process == os.getpid():
            return pool
        with self._lock:
            if self._pool is not None and self._process != os.getpid():
                _inherited.append(self._pool)
                self._pool = None
            if self._pool is None:
                self._pool = self._open()
                self._process = os.getpid()
            return self._pool

    def _open(self) -> ConnectionPool[Any]:
        from psycopg_pool import ConnectionPool  # noqa: PLC0415 - as in `direct`

        return ConnectionPool(
            self._url,
            kwargs={"autocommit": True, "connect_timeout": _CONNECT_SECONDS, **self._defaults()},
            min_size=0,
            max_size=_MAX_CONNECTIONS,
            max_idle=_IDLE_SECONDS,
            timeout=_CONNECT_SECONDS,
            reconnect_timeout=_CONNECT_SECONDS,
            configure=_configure,
            name=self.name,  # the pool's own messages show it
            open=True,
        )

    def _defaults(self) -> dict[str, Any]:
        """Our settings, but for those that the URL makes itself."""
        return {name: value for name, value in _LIVENESS.items() if f"{name}=" not in self._url}


def without_password(url: str) -> str:
    """A URL that can be shown and still be used, with the password from elsewhere: user, host and options.

    Where it is not clear what belongs to the password, as one with a ``/`` or ``?`` that is not encoded, too much is left out.
    """
    without = re.sub(r"(?<=[?&])&+", "", _OF_THE_PASSWORD.sub(r"\1", url))
    scheme, separator, rest = without.partition("://")
    user, at, place = rest.rpartition("@")
    return f"{scheme}{separator}{user.partition(':')[0]}{at}{place}".rstrip("?&")


def _configure(connection: psycopg.Connection[Any]) -> None:
    connection.execute(_SETTINGS)


def _secrets(url: str, password: str | None) -> list[str]:
    found = [password] if password else []
    found += [value for _, value in _OF_THE_PASSWORD.findall(url)]
    found += [unquote(each) for each in found]
    return sorted({each for each in found if each}, key=len, reverse=True)
