"""A TCP proxy of the tests' own: it stands before a real server and breaks what passes."""

from __future__ import annotations

import socket
import socketserver
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

CHUNK = 65536
RESET = struct.pack("ii", 1, 0)  # SO_LINGER with a timeout of 0: close() sends RST (socket(7))


class CutError(Exception):
    """A fault wants this connection to end now, by a reset."""


class AnswerError(Exception):
    """A fault wants the client to get these bytes, and then this connection to end.

    Args:
        answer: What the client gets.
    """

    def __init__(self, answer: bytes) -> None:
        super().__init__(answer)
        self.answer = answer


@dataclass
class Fault:
    """What to do with the bytes of one connection; each may change, delay or answer them, or raise `CutError` or `AnswerError`.

    Attributes:
        up: Bytes from the client on their way to the server.
        down: Bytes from the server on their way to the client.
    """

    up: Callable[[bytes], bytes] = field(default=lambda data: data)
    down: Callable[[bytes], bytes] = field(default=lambda data: data)


class Proxy(socketserver.ThreadingTCPServer):
    """Passes connections on to a server, each with a fault of its own.

    Args:
        server: Host and port to pass on to.
        fault: Makes the fault for a new connection, given its number from 0.
    """

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, server: tuple[str, int], fault: Callable[[int], Fault]) -> None:
        super().__init__(("127.0.0.1", 0), _Passing)
        self.server, self.fault = server, fault
        self.connections = 0
        self.lock = threading.Lock()

    @property
    def port(self) -> int:
        """Where clients connect to, on 127.0.0.1."""
        port: int = self.server_address[1]
        return port

    def handle_error(self, request: object, client_address: object) -> None:
        """A connection that ends badly is what this is for."""


class _Passing(socketserver.BaseRequestHandler):
    server: Proxy

    def handle(self) -> None:
        with self.server.lock:
            number, self.server.connections = self.server.connections, self.server.connections + 1
        fault = self.server.fault(number)
        with socket.create_connection(self.server.server) as upstream:
            down = threading.Thread(target=self._pass, args=(upstream, self.request, fault.down), daemon=True)
            down.start()
            self._pass(self.request, upstream, fault.up)
            down.join()

    def _pass(self, source: socket.socket, target: socket.socket, change: Callable[[bytes], bytes]) -> None:
        try:
            while data := source.recv(CHUNK):
                target.sendall(change(data))
        except AnswerError as error:
            with suppress(OSError):
                self.request.sendall(error.answer)
            for end in (source, target):
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
        except (CutError, OSError):
            for end in (source, target):
                with suppress(OSError):
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                    end.shutdown(socket.SHUT_RDWR)
        else:
            with suppress(OSError):
                target.shutdown(socket.SHUT_WR)


@contextmanager
def proxy(server: tuple[str, int], fault: Callable[[int], Fault]) -> Iterator[Proxy]:
    """A `Proxy` that runs until the end of the block."""
    with Proxy(server, fault) as made:
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield made
        finally:
            made.shutdown()
            thread.join()
