"""Every error is a sentence that a user can act on."""

from __future__ import annotations

import pickle
import string

import pytest

from doc_io import DocIOError, errors

ALL = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, DocIOError)]


def made(kind: type[DocIOError]) -> DocIOError:
    """An error of a kind, with something in every field of its message."""
    fields = {name for _, name, _, _ in string.Formatter().parse(kind.__doc__ or "") if name}
    return kind(**{name: f"<{name}>" for name in fields})


@pytest.mark.parametrize("kind", ALL)
def test_an_error_says_every_fact_it_was_given(kind: type[DocIOError]) -> None:
    """Its docstring is its message."""
    error = made(kind)

    assert all(str(fact) in str(error) for fact in error.facts.values())


@pytest.mark.parametrize("kind", ALL)
def test_an_error_survives_the_way_between_processes(kind: type[DocIOError]) -> None:
    """Executors send them."""
    error = made(kind)
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes

    assert (type(again), str(again)) == (kind, str(error))


@pytest.mark.parametrize("kind", ALL)
def test_every_error_ends_the_command_line_with_a_code_of_its_kind(kind: type[DocIOError]) -> None:
    """0 would be success, and 2 is what click uses for wrong arguments."""
    assert 1 <= kind.exit_code <= 125


def test_an_error_shows_no_control_character_of_a_key() -> None:
    """A task id may be hostile, and errors reach terminals."""
    error = errors.DamagedDocumentError(doc_id="\x1b[2J", doc_dir="a\nb", reason="\u202ex")

    assert str(error).isprintable()


def test_an_error_cuts_what_is_too_long_to_read() -> None:
    """A stage of a megabyte is still one line."""
    assert len(str(errors.UnknownStageError(stage="x" * 10**6, stages="a"))) < 1000


def test_a_command_to_copy_is_shown_in_full() -> None:
    """Half of one is of no use, and paths may be long."""
    command = f"doc-io --docs-root /{'deep/' * 200}docs recover data/spool"

    assert command in str(errors.SpooledError(documents="1 document", host="h", spool="s", command=command, reason="r"))


def test_a_missing_document_is_a_file_not_found_error() -> None:
    """Code written for UPathIOManager catches that."""
    assert issubclass(errors.DocumentNotFoundError, FileNotFoundError)
