"""What the command line says of a docs root that it cannot use."""

from __future__ import annotations

import pytest

from tests.cli.conftest import Run


@pytest.mark.parametrize("words", [("ls",), ("reindex",), ("copy", "elsewhere", "db.sqlite")])
@pytest.mark.parametrize("root", ["s3://key:hidden@bucket/docs", "az://container/docs?sig=hidden"])
def test_a_secret_in_a_root_is_not_repeated(run: Run, root: str, words: tuple[str, ...]) -> None:
    """Neither where there is an index nor where there is none; the message says where it belongs."""
    for index in ("data/db/documents.sqlite", "nothing.sqlite"):
        said = run("--docs-root", root, "--db", index, *words)

        assert said.returncode == 3
        assert "storage_options" in said.stderr
        assert "hidden" not in said.stdout + said.stderr


def test_a_secret_in_the_root_of_a_copy_is_not_repeated(run: Run) -> None:
    """The target's, too."""
    said = run("copy", "s3://key:hidden@bucket/docs", "db.sqlite")

    assert said.returncode == 3
    assert "hidden" not in said.stdout + said.stderr
