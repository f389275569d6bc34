"""SFTP: asyncssh's server, in a thread of this process."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import asyncssh

from tests.canaries import canary

USER, PASSWORD = "writer", canary("sftp")


@dataclass(frozen=True)
class SFTP:
    """A running server with one empty folder.

    Attributes:
        port: Where it listens on 127.0.0.1.
        root: The folder as a docs root.
    """

    port: int
    root: str
    storage_options: dict[str, Any] = field(repr=False)


class _Server(asyncssh.SSHServer):
    open: ClassVar[set[asyncssh.SSHServerConnection]] = set()

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connection = conn
        self.open.add(conn)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - as asyncssh calls it
        self.open.discard(self._connection)

    def begin_auth(self, username: str) -> bool:  # noqa: ARG002 - as asyncssh calls it
        return True

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        return (username, password) == (USER, PASSWORD)


@contextmanager
def asyncssh_server(folder: Path) -> Iterator[SFTP]:
    """Files below a folder, for one user with a password."""
    data = folder / "sftp"
    data.mkdir()
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="sftp-server", daemon=True)
    thread.start()
    host_key = asyncssh.generate_private_key("ssh-ed25519")

    async def listen() -> asyncssh.SSHAcceptor:
        return await asyncssh.create_server(
            _Server,
            "127.0.0.1",
            0,
            server_host_keys=[host_key],
            sftp_factory=lambda channel: asyncssh.SFTPServer(channel, chroot=bytes(data)),
        )

    async def stop() -> None:
        acceptor.close()
        for connection in list(_Server.open):  # a client that was only let go of may not have closed its own end
            connection.abort()
            await connection.wait_closed()
        await acceptor.wait_closed()

    acceptor = asyncio.run_coroutine_threadsafe(listen(), loop).result(30)
    try:
        options = {"username": USER, "password": PASSWORD, "known_hosts": None}
        yield SFTP(acceptor.get_port(), f"sftp://127.0.0.1:{acceptor.get_port()}/docs", options)
    finally:
        asyncio.run_coroutine_threadsafe(stop(), loop).result(30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(30)
        loop.close()
