"""Options that several commands share: the store, the document, the texts."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

import click

from doc_io.cli.config import StoreLocation, find
from doc_io.document import DocumentRow
from doc_io.errors import DocIOError, DocumentNotFoundError, StorageError
from doc_io.escaping import printable, shell_words
from doc_io.index.base import Filter, GroupedBy
from doc_io.storage.open import OPTIONS_VARIABLE

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from doc_io.store import DocumentStore

# ruff: noqa: PLC0415 - `ls` need not wait for what only another command, or a mistake, needs

_F = TypeVar("_F", bound=Callable[..., Any])
_MAX_COMPLETIONS = 50

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


jobs = click.option(
    "--jobs",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    help="Parts of the store to read at a time: more are faster where documents are on a server.",
)


def listed(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:  # noqa: ARG001
    """Every name of ``--stage a,b --stage c``; one with a comma in it is quoted as in CSV."""
    return tuple(name for line in csv.reader(values) for name in line if name)


def store_options(*, environment: bool = False) -> list[click.Parameter]:
    """``--docs-root`` and ``--db``, which may stand before the command and after it.

    Args:
        environment: Whether they are looked up in the environment where they are not given. Default: no.
    """
    return [
        click.Option(
            ["--docs-root"],
            metavar="PATH|URL",
            help="Where the documents are.",
            envvar="DOC_IO_DOCS_ROOT" if environment else None,
            expose_value=False,
            callback=_remember,
        ),
        click.Option(
            ["--db"],
            metavar="PATH|URL",
            help="Their index: a SQLite file or a database URL.",
            envvar="DOC_IO_DB" if environment else None,
            expose_value=False,
            callback=_remember,
        ),
    ]


def _remember(ctx: click.Context, param: click.Parameter, value: str | None) -> None:
    if value is not None:
        named = ctx.get_parameter_source(str(param.name)) is click.core.ParameterSource.COMMANDLINE
        if named and not value:  # as of a variable of the shell that is not set
            raise click.BadParameter("it is empty; leave it out, or name a store.", ctx, param)
        ctx.meta[f"doc_io.{param.name}"] = (value, named)  # shared by the group and its commands
    if ctx.parent is not None and not ctx.resilient_parsing:
        ctx.obj = location(ctx)  # what click.pass_obj hands to the command


def location(ctx: click.Context) -> StoreLocation:
    """The location of the store that the options before and after the command name."""
    return find(*(ctx.meta.get(f"doc_io.{name}", (None,))[0] for name in ("docs_root", "db")))


def given_store(ctx: click.Context) -> str:
    """The store options of this command line, to be pasted; a password in a URL is left out."""
    words = []
    for name, option in (("docs_root", "--docs-root"), ("db", "--db")):
        value, named = ctx.meta.get(f"doc_io.{name}", (None, False))
        if named:
            words += [option, _without_secrets(value, query=option == "--db")]
    return shell_words(words) + " " if words else ""


_WORDS = {
    "db_url": "--db",
    "db_path": "--db",
    "docs_root": "--docs-root",
    "storage_options": OPTIONS_VARIABLE,
    "db_read_url": "DOC_IO_DB_READ_URL",
}
"""What Python calls it, and the command line."""

_WORD = re.compile(rf"(?<=`)({'|'.join(_WORDS)})(?=`)|\A({'|'.join(_WORDS)})\Z")


def message(ctx: click.Context, error: DocIOError) -> str:
    """An error in the words of the command line; the commands that it names work as they stand, on the store named here."""
    facts = {
        name: _WORD.sub(lambda word: _WORDS[word[0]], str(fact)) if name in ("setting", "reason", "hint") else fact
        for name, fact in error.facts.items()
    }
    said = str(type(error)(**facts)).replace("`doc-io ", f"`doc-io {given_store(ctx)}")
    if isinstance(error, StorageError) and "://" in str(error.facts["docs_root"]):
        said += f" {HOW_TO_REACH}"
    return said


HOW_TO_REACH = (
    f"The endpoint and keys of a server come from {OPTIONS_VARIABLE} (JSON) or [tool.doc_io.storage_options], else from"
    " where its client finds them, as AWS_PROFILE."
)


def give_store(docs_root: str, db: str) -> None:
    """Have the commands that an error names act on this store, not on that of the command line."""
    context = click.get_current_context()
    context.meta.update({"doc_io.docs_root": (docs_root, True), "doc_io.db": (db, True)})


def _without_secrets(value: str, *, query: bool) -> str:
    if "://" not in value:
        return value
    from doc_io.index.pool import without_password

    return without_password(value if query else value.partition("?")[0])


def command_line(*words: str) -> str:
    """A command of ``doc-io`` that can be pasted: on this store, its words quoted."""
    return f"doc-io {given_store(click.get_current_context())}{shell_words(words)}"


def argument(*names: str) -> list[str]:
    """Names as arguments of a command that can be pasted: after ``--`` where one would look like an option."""
    return [*(["--"] if any(name.startswith("-") for name in names) else []), *names]


def document(store: DocumentStore, name: str, *, quiet: bool = False) -> DocumentRow:
    """The document that a person means; of a task without an ok document its newest attempt.

    Args:
        store: Where to look.
        name: As `DocumentStore.find` takes it.
        quiet: Do not say that there is no ok document. Default: say it, on standard error.
    """
    try:
        return store.find(name)
    except DocumentNotFoundError:
        row = store.find(f"{name}@newest")
        if quiet:
            return row
        click.echo(f"{printable(name)} has no ok document: this is its newest attempt, {row.status}.", err=True)
        return row


def complete(suggest: Callable[[DocumentStore, str], list[str]]) -> Callable[..., list[CompletionItem]]:
    """A completion that asks the store and never fails."""

    def completed(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG001
        from click.shell_completion import CompletionItem

        found: list[str] = []
        with suppress(Exception), location(ctx).existing() as store:
            found = suggest(store, incomplete)
        # A name that could act on a terminal is not offered.
        return [CompletionItem(each) for each in dict.fromkeys(found) if each.isprintable()][:_MAX_COMPLETIONS]

    return completed


def groups(store: DocumentStore, by: GroupedBy) -> list[str]:
    """Every stage, model, run, … that a document has."""
    return [each.group for each in store.index.usage(by) if each.group is not None]


def starting(by: GroupedBy) -> Callable[[DocumentStore, str], list[str]]:
    """What completes the name of a stage, model, run, …, for `complete`."""
    return lambda store, start: [each for each in groups(store, by) if each.startswith(start)]


def tasks_starting(store: DocumentStore, start: str, stage: str | None) -> list[str]:
    """Tasks of the newest documents that begin like this."""
    return [row.task_id for row in store.select(Filter(stage=stage), limit=5000) if row.task_id.startswith(start)]


def _documents_starting(store: DocumentStore, start: str) -> list[str]:
    stage, slash, task = start.partition("/")
    if slash:
        return [f"{stage}/{each}" for each in tasks_starting(store, task, stage)]
    ids = [row.doc_id for row in store.index.find_by_prefix(start, _MAX_COMPLETIONS)] if start.isalnum() else []
    return [*(f"{each}/" for each in groups(store, "stage") if each.startswith(start)), *ids]


complete_document = complete(_documents_starting)
doc = click.argument("doc", shell_complete=complete_document)


_TEXTS = ("text", "raw", "parsed", "prompt")


def _texts(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    choice = click.Choice(_TEXTS)
    return tuple(choice.convert(each, param, ctx) for each in listed(ctx, param, values))


def texts(command: _F) -> _F:
    """The options that say which texts of a document, handed to the command as ``texts``, in the order of `_TEXTS`."""

    @wraps(command)
    def choosing(*args: Any, texts: tuple[str, ...], **values: Any) -> Any:
        flags = [which for which in _TEXTS[1:] if values.pop(f"text_{which}")]
        chosen = tuple(which for which in _TEXTS if which in texts or which in flags)
        return command(*args, texts=chosen, **values)

    for which, help_text in (
        ("prompt", "The prompt."),
        ("parsed", "The parsed text."),
        ("raw", "The model's whole answer."),
    ):
        click.option(f"--{which}", f"text_{which}", is_flag=True, help=help_text)(choosing)
    click.option(
        "--text",
        "texts",
        multiple=True,
        metavar="NAMES",
        callback=_texts,
        help="Which text: text (the parsed one where there is one, else the raw one), raw, parsed, prompt.",
    )(choosing)
    return choosing  # type: ignore[return-value]


def one_text(texts: tuple[str, ...]) -> Any:
    """The text that a command for a single one shows."""
    if len(texts) > 1:
        raise click.UsageError(f"Give one of {', '.join(f'--{each}' for each in texts)}.")
    return texts[0] if texts else "text"
