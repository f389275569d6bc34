"""A program that listens on a port of 127.0.0.1 and cannot outlive the process that started it."""

from __future__ import annotations

import ctypes
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_START_SECONDS = 60.0
_STOP_SECONDS = 10.0
_LIBC = ctypes.CDLL(None)


class ServerError(RuntimeError):
    """A server did not start."""


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listened on a moment ago."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@contextmanager
def running(
    command: Sequence[str | Path],
    *,
    port: int,
    log: Path,
    env: Mapping[str, str] | None = None,
    user: str | None = None,
    stop_with: signal.Signals = signal.SIGTERM,
) -> Iterator[int]:
    """Start a server, wait until it accepts connections, and end it at the end of the block.

    Args:
        command: The program and its arguments.
        port: The port it will listen on.
        log: File for what it prints.
        env: Its environment. Default: that of this process.
        user: The user it runs as. Default: that of this process.
        stop_with: The signal that ends it; also sent by the kernel when this process dies, however that happens.

    Yields:
        Its process id.

    Raises:
        ServerError: It ended, or did not accept a connection within a minute.
    """
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=None if env is None else dict(env),
            user=user,
            cwd=log.parent,
            preexec_fn=_dies_with_its_parent(stop_with),  # noqa: PLW1509 - one call of libc, and no lock is taken
        )
    try:
        _wait(process, port, log)
        yield process.pid
    finally:
        process.send_signal(stop_with)
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _dies_with_its_parent(stop_with: signal.Signals) -> Callable[[], None]:
    def ask_the_kernel() -> None:
        # Popen changes the user before it comes here; the other way round the kernel would forget the signal (prctl(2)).
        _LIBC.prctl(_PR_SET_PDEATHSIG, int(stop_with), 0, 0, 0)

    return ask_the_kernel


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    end = time.monotonic() + _START_SECONDS
    while time.monotonic() < end:
        if process.poll() is not None:
            break
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.02)
    message = f"{process.args!r} does not listen on port {port}: {log.read_text(errors='replace')[-2000:]}"
    raise ServerError(message)
