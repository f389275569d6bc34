"""Runs one peer in its own interpreter: a line of JSON in says what to do, a line of JSON out how long it took."""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from pathlib import Path

from benchmarks.peers.base import Peer

SAMPLE = ("The quick brown fox jumps over the lazy dog, and writes it down. " * 127)[:8192]


def main() -> None:
    """Serve until the input ends. What the library prints goes to standard error; standard output carries only answers."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    module, root = sys.argv[1:]
    peer: Peer = importlib.import_module(f"benchmarks.peers.{module}").Contender(Path(root))
    print(json.dumps({"lacks": peer.LACKS}), file=answers, flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        try:
            answer = _obey(peer, order)
        except NotImplementedError:
            answer = {"cannot": True}
        print(json.dumps(answer), file=answers, flush=True)


def _obey(peer: Peer, order: dict[str, object]) -> dict[str, object]:
    verb, keys = str(order["verb"]), [str(key) for key in list(order.get("keys", []))]  # type: ignore[call-overload]
    if verb == "fill":
        return {"filled": _fill(peer, keys, float(str(order["seconds"])))}
    if verb == "write":
        peer.prepare(keys)
        start = time.perf_counter()
        for key in keys:
            peer.write(key, SAMPLE)
        return {"seconds": (time.perf_counter() - start) / len(keys)}
    if verb == "read":
        start = time.perf_counter()
        for key in keys:
            if peer.read(key) != SAMPLE:
                raise AssertionError(key)
        return {"seconds": (time.perf_counter() - start) / len(keys)}
    start = time.perf_counter()
    found = peer.history(keys[0]) if verb == "history" else peer.totals()
    return {"seconds": time.perf_counter() - start, "found": found}


def _fill(peer: Peer, keys: list[str], limit: float) -> int:
    """Write versions until the keys are done or the time is up; how many were written."""
    end = time.monotonic() + limit
    for number, key in enumerate(keys):
        if time.monotonic() > end:
            return number
        peer.prepare([key])
        peer.write(key, SAMPLE)
    return len(keys)


if __name__ == "__main__":
    main()
