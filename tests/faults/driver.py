"""Runs one writer, in a fresh fork for each order that comes in on stdin, with the calls of that fork counted or broken.

Started by ``tests.faults.harness`` with the library of ``calls.c`` preloaded. Imports are paid for once; a fork costs milliseconds, so every
call of a write can be broken in turn.
"""

from __future__ import annotations

import ctypes
import hashlib
import importlib
import json
import os
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from doc_io import DocIOError
from tests.faults import mutants


def main(writer_name: str, mutant_name: str) -> None:
    """Carry out each order (a line of JSON) in a fork, and answer with how that ended."""
    module_name, _, name = writer_name.rpartition(".")
    module = importlib.import_module(f"tests.faults.{module_name}")
    writer = getattr(module, name)
    if mutant_name:
        getattr(mutants, mutant_name)()
    with tempfile.TemporaryDirectory() as folder:  # what is imported on first use is imported before the forks
        if name in module.BEFORE:
            module.BEFORE[name](Path(folder))
        writer(Path(folder), lambda *_: None)
    calls = ctypes.CDLL(None)
    calls.faults_calm.restype = ctypes.c_long
    for line in sys.stdin:
        order = json.loads(line)
        child = os.fork()
        if not child:
            carry_out(order, writer, calls)
        _, status = os.waitpid(child, 0)
        print(json.dumps(status), flush=True)


def carry_out(order: dict[str, Any], writer: Callable[[Path, Callable[[str, str], None]], None], calls: Any) -> None:
    """Write, once with the fault and, where asked, once more without; then leave without any clean-up."""

    def note(**what: object) -> None:
        calls.faults_note(json.dumps(what).encode())

    def acknowledged(doc_id: str, raw: str) -> None:
        digest = hashlib.sha256(raw.encode("utf-8", "surrogatepass")).hexdigest()
        note(acknowledged=doc_id, sha256=digest)

    root = Path(order["root"])
    calls.faults_slow(ctypes.c_long(order["microseconds"]))
    calls.faults_arm(
        os.fsencode(root), os.fsencode(order["log"]), ctypes.c_long(order["at"]), order["error"], order["lasting"]
    )
    try:
        for _ in range(1 + order["again"]):
            try:
                writer(root, acknowledged)
                note(finished=True)
            except DocIOError as error:
                note(error=type(error).__name__, message=str(error))
            note(calls=calls.faults_calm())
    except BaseException:  # noqa: BLE001 - a fork must never run on into the parent's code
        note(crashed=traceback.format_exc(limit=-3))
        os._exit(1)
    os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
