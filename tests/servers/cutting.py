"""A TCP proxy that cuts the connection at a chosen word, before or after the server gets it."""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass


@dataclass
class Cutter:
    """How it behaves; may be changed while it runs.

    Attributes:
        port: Where it listens.
        word: What the client says when the cut comes. Empty: no cut.
        server_gets_it: Whether the server still gets the word and acts on it.
        cuts: How many more cuts there will be.
        round_trips: How often the client spoke after the server had, on any connection; may be set to 0.
    """

    port: int
    word: bytes = b""
    server_gets_it: bool = True
    cuts: int = 0
    round_trips: int = 0


@contextmanager
def cutting(port: int) -> Iterator[Cutter]:
    """Forward connections to a port of 127.0.0.1, until the word falls."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        cutter = Cutter(listener.getsockname()[1])
        threading.Thread(target=_accept, args=(listener, port, cutter), daemon=True).start()
        yield cutter


def _accept(listener: socket.socket, port: int, cutter: Cutter) -> None:
    with suppress(OSError):  # the listener was closed
        while True:
            client, _ = listener.accept()
            server = socket.create_connection(("127.0.0.1", port))
            threading.Thread(target=_forward, args=(client, server, cutter), daemon=True).start()


def _forward(client: socket.socket, server: socket.socket, cutter: Cutter) -> None:
    last = server
    with client, server, suppress(OSError):
        while True:
            readable: list[socket.socket]
            readable, _, _ = select.select([client, server], [], [])
            for side in readable:
                data = side.recv(65536)
                if not data:
                    return
                cutter.round_trips += side is client and last is server
                last = side
                if side is client and cutter.cuts and cutter.word and cutter.word in data:
                    cutter.cuts -= 1
                    if cutter.server_gets_it:
                        server.sendall(data)
                        _wait_for_the_answer(client, server)
                    return
                (server if side is client else client).sendall(data)


def _wait_for_the_answer(client: socket.socket, server: socket.socket) -> None:
    """Until the server has acted: it may want the rest of what the client says, which comes in pieces."""
    while server not in (readable := select.select([client, server], [], [], 10)[0]):
        data = client.recv(65536) if client in readable else b""
        if not data:
            return
        server.sendall(data)
