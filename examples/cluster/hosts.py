"""Hosts for a test: each a set of Linux namespaces with a network card, a disk of its own and a power switch.

A host sees the machine's files read-only, its own disk at ``/srv``, its own processes, and the other hosts through a
switch that leads nowhere else. Everything ends with the process that made it. Needs root and util-linux, iproute2.

``python -m examples.cluster.hosts`` says whether this machine can play hosts.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import socket
import socketserver
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

PROGRAMS = ("ip", "nsenter", "redis-server", "setpriv", "unshare")
_PREFIX = "10.77.0."  # only inside of these namespaces
_CLONE_NEWNET = 0x40000000  # linux/sched.h
# Dies with the thread that started it, and takes what is inside with it.
_BOOT = ("setpriv", "--pdeathsig", "KILL", "unshare", "--net", "--fork", "--kill-child")
_MOUNT_DISK = """
mount --bind "$1" /srv && mkdir -p /srv/tmp && mount -t tmpfs tmpfs /srv/tmp && mount -o remount,bind,ro /
hostname "$2" && ip link set lo up && echo up && exec sleep infinity
"""


class HostError(RuntimeError):
    """A host, or a program on it, did not start."""


def missing() -> list[str]:
    """What this machine lacks to play a cluster; empty where it can."""
    lacks = [program for program in PROGRAMS if shutil.which(program) is None]
    if os.geteuid() != 0:
        lacks.insert(0, "root")
    if not lacks:
        try:
            with hosts(["trial"]) as made:
                made["trial"].run("true")
        except (HostError, OSError, subprocess.SubprocessError) as error:
            lacks = [f"the right to make hosts ({error})"]
    return lacks


@dataclass
class Program:
    """A program that runs on a host.

    Attributes:
        entrance: The process outside, which waits for the program.
    """

    entrance: subprocess.Popen[str]

    def send(self, number: signal.Signals) -> None:
        """Send the program a signal, unless it has ended."""
        for pid in children_of(self.entrance.pid):
            os.kill(pid, number)

    def close(self) -> None:
        """Close what it was connected by: it was killed with its host."""
        self.entrance.send_signal(signal.SIGCONT)  # it stops itself where its program is stopped
        self.entrance.wait()  # not killed: somebody has to wait for the program, or the host does not go off
        for stream in (self.entrance.stdin, self.entrance.stdout):
            if stream is not None:
                with suppress(BrokenPipeError):
                    stream.close()

    def stop(self, number: signal.Signals = signal.SIGTERM, seconds: float = 120) -> None:
        """End it, at once where it does not end by itself."""
        self.send(number)
        try:
            self.entrance.wait(seconds)
        except subprocess.TimeoutExpired:
            self.send(signal.SIGKILL)
            self.entrance.wait()


@dataclass
class Host:
    """One host.

    Attributes:
        name: What it is called.
        address: Its address on the switch.
        disk: Its disk, as the machine sees it; on the host it is ``/srv``.
    """

    name: str
    address: str
    disk: Path
    _switch: int
    _power: subprocess.Popen[str] | None = field(default=None, repr=False)
    _programs: list[Program] = field(default_factory=list, repr=False)

    def boot(self) -> None:
        """Switch it on, with nothing running on it."""
        self.disk.mkdir(parents=True, exist_ok=True)
        own = ("--mount", "--pid", "--ipc", "--uts", "--mount-proc")
        self._power = _started([*_BOOT, *own, "sh", "-ec", _MOUNT_DISK, "sh", str(self.disk), self.name])
        card = ("type", "veth", "peer", "name", "eth0", "netns", str(self._init))
        _ip(self._switch, "link", "add", "name", self.name, *card)
        _ip(self._switch, "link", "set", "dev", self.name, "master", "switch", "up")
        # The same card after every boot: the others remember which address belongs to it.
        _ip(self._init, "link", "set", "eth0", "address", "02:00:{:02x}:{:02x}:{:02x}:{:02x}".format(*map(int, self.address.split("."))))  # fmt: skip
        _ip(self._init, "address", "add", f"{self.address}/24", "dev", "eth0")
        _ip(self._init, "link", "set", "eth0", "up")

    def power_off(self) -> None:
        """Kill everything on it at the same instant, and close its connections without a word to anybody."""
        if self._power is not None:
            # The cable first: the kernel would close the connections of processes that are killed, and tell the others.
            _ip(self._switch, "link", "delete", "dev", self.name)
            init = Path(f"/proc/{self._init}/stat")
            self._power.kill()
            self._power.wait()
            self._power = None
            for program in self._programs:
                program.close()
            self._programs.clear()
            wait_until(lambda: has_ended(init), f"{self.name} to go off")

    def unplug(self) -> None:
        """Pull its network cable."""
        _ip(self._switch, "link", "set", "dev", self.name, "down")

    def plug(self) -> None:
        """Put the cable back."""
        _ip(self._switch, "link", "set", "dev", self.name, "up")

    @property
    def is_on(self) -> bool:
        """Whether it has power."""
        return self._power is not None and self._power.poll() is None

    def start(
        self,
        *command: str | Path,
        env: Mapping[str, str] | None = None,
        log: str | None = None,
        user: int = 0,
        pipe: bool = False,
    ) -> Program:
        """Start a program on the host, in ``/srv``.

        Args:
            *command: The program and its arguments.
            env: Its environment. Default: that of this process.
            log: File on the host's disk for what it prints. Default: none is kept.
            user: The id of the user it runs as. Default: root.
            pipe: Whether its standard input and output are pipes to this process. Default: no.
        """
        who = ("setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups") if user else ()
        inside = ("sh", "-c", 'cd /srv && exec "$@"', "sh", *who, *map(str, command))
        with (self.disk / log if log else Path(os.devnull)).open("ab") as output:
            entrance = subprocess.Popen(
                ["nsenter", "--target", str(self._init), "--mount", "--net", "--pid", "--ipc", "--uts", *inside],
                env={**(os.environ if env is None else env), "TMPDIR": "/srv/tmp", "HOME": "/srv"},
                stdin=subprocess.PIPE if pipe else subprocess.DEVNULL,
                stdout=subprocess.PIPE if pipe else output,
                stderr=output,
                text=True,
            )
        program = Program(entrance)
        self._programs.append(program)
        return program

    def run(self, *command: str | Path, env: Mapping[str, str] | None = None, seconds: float = 300) -> str:
        """Run a command on the host and return what it printed.

        Raises:
            HostError: It failed; the message has what it said.
        """
        program = self.start(*command, env=env, log="commands.log", pipe=True)
        try:
            said, _ = program.entrance.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            program.stop(signal.SIGKILL)
            raise
        if program.entrance.returncode:
            raise HostError(f"{self.name}: {command} ended with {program.entrance.returncode}: {said}{self.tail('commands.log')}")  # fmt: skip
        return said

    def tail(self, log: str) -> str:
        """The end of a log on its disk."""
        path = self.disk / log
        return path.read_text(errors="replace")[-3000:] if path.exists() else ""

    @contextmanager
    def network(self) -> Iterator[None]:
        """Let this thread, and those that it starts meanwhile, use the network from where the host is."""
        libc = ctypes.CDLL(None, use_errno=True)

        def enter(path: str) -> None:
            with Path(path).open("rb") as namespace:
                if libc.setns(namespace.fileno(), _CLONE_NEWNET):
                    raise OSError(ctypes.get_errno(), "setns")

        with Path("/proc/thread-self/ns/net").open("rb") as before:
            enter(f"/proc/{self._init}/ns/net")
            try:
                yield
            finally:
                enter(f"/proc/self/fd/{before.fileno()}")

    @contextmanager
    def published(self, port: int) -> Iterator[str]:
        """Give a port of the host a URL at which this machine, and a browser on it, can reach it."""
        host = self

        class Relay(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                with host.network(), suppress(OSError), socket.create_connection((host.address, port)) as far:
                    threading.Thread(target=copy, args=(self.request, far), daemon=True).start()
                    copy(far, self.request)

        def copy(source: socket.socket, target: socket.socket) -> None:
            with suppress(OSError):
                while data := source.recv(65536):
                    target.sendall(data)
                target.shutdown(socket.SHUT_WR)

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True

        with Server(("127.0.0.1", 0), Relay) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            yield f"http://127.0.0.1:{server.server_address[1]}"
            server.shutdown()

    @property
    def _init(self) -> int:
        """The process with number 1 on the host, as it is called on this machine."""
        if self._power is None:
            raise HostError(f"{self.name} is off")
        return _child_of(self._power)


@contextmanager
def hosts(names: Sequence[str]) -> Iterator[dict[str, Host]]:
    """Switch on hosts of these names, all on one switch; everything is gone at the end of the block."""
    with ExitStack() as ending:  # each of its callbacks is run, whatever another one raises
        switch = _started([*_BOOT, "sh", "-ec", "ip link set lo up; ip link add switch type bridge; ip link set switch up; echo up; exec sleep infinity"])  # fmt: skip
        ending.callback(switch.wait)
        ending.callback(switch.kill)
        folder = Path(tempfile.mkdtemp(prefix="cluster-"))
        ending.callback(shutil.rmtree, folder, ignore_errors=True)
        folder.chmod(0o755)  # a server that refuses root must be able to come to its own disk
        made = {
            name: Host(name, f"{_PREFIX}{number}", folder / name, _child_of(switch))
            for number, name in enumerate(names, start=1)
        }
        for host in made.values():
            ending.callback(host.power_off)
            host.boot()
        yield made


def children_of(pid: int) -> list[int]:
    """The children of a process, oldest first."""
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []


def has_ended(stat: Path) -> bool:
    """Whether a process has, by its file in ``/proc``; a zombie has, and all that it was the first process of."""
    try:
        return stat.read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def wait_until(ready: object, what: str, seconds: float = 300) -> None:
    """Ask again and again until something is true.

    Raises:
        HostError: It was not in time.
    """
    assert callable(ready)
    end = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > end:
            raise HostError(f"{what} took more than {seconds:.0f} s")
        time.sleep(0.1)


def _child_of(process: subprocess.Popen[str]) -> int:
    children = children_of(process.pid)
    if not children:
        raise HostError(f"{process.args!r} has ended")
    return children[0]


def _started(command: list[str]) -> subprocess.Popen[str]:
    """A process that has said that it is up."""
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process.stdout as said:
        is_up = said.readline() == "up\n"
    if not is_up:
        raise HostError(f"{command} did not come up")
    return process


def _ip(pid: int, *words: str) -> None:
    """Run ``ip`` in the network of a process."""
    subprocess.run(["nsenter", "--target", str(pid), "--net", "ip", *words], check=True)


if __name__ == "__main__":
    if lacks := missing():
        raise SystemExit(f"No hosts can be played here, so what needs them is left out: it lacks {', '.join(lacks)}.")
