"""Every reason for which a test may be skipped. A skip for any other reason ends the run as a failure."""

from __future__ import annotations

import re

NO_ROOT = "needs root: a power cut is played on a file system of its own, mounted from a loop device"
NO_LOOP = "no loop device can be mounted here"
NO_MOUNT = "no file system can be mounted here"
NO_COMPILER = "needs cc: the library that breaks system calls is compiled when the tests run"
NO_ATHERIS = "atheris is not installed (pip install atheris)"
NO_LITELLM = "litellm is not installed (pip install litellm)"
NO_AXE = "axe-core is not installed (npm install axe-core); DOC_IO_AXE may name its axe.min.js"
NO_CHROMIUM = "needs chromium (apt-get install chromium)"
NO_NAMESPACES = "needs hosts in network namespaces, and this machine lacks"
NO_CELERY = "dagster-celery is not installed (pip install 'doc-io[cluster]')"
NOT_LINUX = "needs Linux: LD_PRELOAD, /proc and renameat2"

ALLOWED: dict[str, str] = {
    NO_ROOT: "Power cuts are also played from the log of calls, without root (test_every_call.py).",
    NO_LOOP: "Containers hide loop devices; the log of calls needs none.",
    NO_MOUNT: "A full disk is also played call by call (test_every_call.py).",
    NO_COMPILER: "CI has one; a machine of a user need not.",
    NO_ATHERIS: "The same targets get bytes by chance on every run; CI installs atheris where there is one for its Python.",
    NO_LITELLM: "It takes 200 MB and asks the network when imported; its answers have the form of OpenAI's, which are tested.",
    NO_AXE: "CI installs it; the other tests of the pages run without it.",
    NO_CHROMIUM: "CI installs one; everything but the browser's own part is tested without it.",
    f"{NO_NAMESPACES}: .*": "CI runs as root on Linux; what a cluster is made of is tested part by part everywhere.",
    NO_CELERY: "It asks for an older Dagster than the other tests have: CI runs the cluster in an environment of its own.",
    NOT_LINUX: "The code under test runs elsewhere; its faults are injected on Linux only.",
    r"azurite is not installed \(npm install azurite\); DOC_IO_AZURITE may name it": "The other three stores run everywhere.",
    "its bytes are in one process": "memory:// is per process by its nature, so nothing can come over a fork.",
}
"""Reason, as pytest shows it, to why it is no hole. A reason may be a regular expression."""


def is_allowed(reason: str) -> bool:
    """Whether a test may be skipped for this reason."""
    return any(reason == known or re.fullmatch(known, reason) for known in ALLOWED)
