"""What CI calls the oldest supported versions is what a user's pip may install."""

import re
from pathlib import Path

import tomli

ROOT = Path(__file__).parents[2]
_PIN = re.compile(r"([a-z0-9-]+)==([0-9.]+)")


def test_the_oldest_versions_that_ci_runs_are_the_bounds_of_the_package() -> None:
    """``>=1.11`` and ``==1.11.0`` name the same release (PEP 440); the first pin of a name is the lowest."""
    pins: dict[str, str] = {}
    for name, version in _PIN.findall((ROOT / ".ci/oldest.txt").read_text(encoding="utf-8")):
        pins.setdefault(name, version)
    project = tomli.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    bounds = dict(requirement.partition(";")[0].split(">=") for requirement in project["dependencies"])

    assert {name: without_zeros(bounds[name]) for name in pins} == {
        name: without_zeros(version) for name, version in pins.items()
    }
    assert set(pins) == set(bounds)


def without_zeros(version: str) -> str:
    return re.sub(r"(\.0)+$", "", version)
