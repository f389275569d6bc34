"""The command ``doc-io``: which store, and how an error ends it."""

from __future__ import annotations

import importlib
import os
import sys

import click

from doc_io.cli import options
from doc_io.errors import DocIOError
from doc_io.escaping import printable
from doc_io.nearest import nearest

_INTERRUPTED = 130  # what a shell says of a program that Ctrl-C ended: 128 and the number of SIGINT

_SECTIONS: dict[str, dict[str, tuple[str, ...]]] = {
    "Inspect": {
        "inspect": ("status", "ls", "show", "cat", "prompt", "history", "pins"),
        "reports": ("failures", "diff", "lineage", "usage", "search", "export", "sql"),
        "compare": ("compare",),
        "serve": ("serve",),
    },
    "Maintain": {"maintain": ("verify", "reindex", "prune", "pin", "unpin", "copy", "recover"), "rename": ("rename",)},
    "Migrate": {"migrate": ("backfill",), "completion": ("completion",)},
}
"""Heading of the help text to module to commands."""

_GOES_ON = "The store is whole; run the same command again and it goes on."
_INTERRUPTIONS = {
    **dict.fromkeys(("prune", "copy", "recover", "backfill", "rename"), _GOES_ON),
    "verify": "The store is whole; run it again to check it from the start.",
    "reindex": "The old index is in its place; run it again for a new one.",
    "search": "What was read is remembered; run the same command again and it goes on.",
}
"""What Ctrl-C leaves behind, where a command was not only reading."""

_DOC = (
    "DOC is a doc_id or the start of one, STAGE/TASK (its latest ok document), STAGE/TASK@newest, STAGE/TASK@-1 or"
    " STAGE/TASK@RUN; see doc-io --help."
)

_HOMES = {name: home for homes in _SECTIONS.values() for home, names in homes.items() for name in names}


class _Commands(click.Group):
    """Imports a command when it is asked for, so that `ls` need not wait for `verify`; lists them by what they are for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's own signature
        return list(_HOMES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        home = _HOMES.get(cmd_name)
        if home is not None:
            command: click.Command = getattr(importlib.import_module(f"doc_io.cli.{home}"), cmd_name)
            if home != "completion" and not any(each.name == "docs_root" for each in command.params):
                command.params += options.store_options()
            if command.epilog is None and any(each.name == "doc" for each in command.params):
                command.epilog = _DOC
            return command
        near = nearest(cmd_name, _HOMES)
        if near and not ctx.resilient_parsing:
            ctx.fail(f"No such command {cmd_name!r}. Did you mean {near!r}?")
        return None

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            said = _INTERRUPTIONS.get(str(ctx.invoked_subcommand), "Nothing was changed.")
            click.echo(f"\nInterrupted. {said}", err=True)
            sys.exit(_INTERRUPTED)
        except click.UsageError as error:
            said = printable(error.format_message(), keep="\n")  # it repeats what was typed, or pasted
            if isinstance(error, click.NoSuchOption):
                said += f"\nIf {printable(error.option_name)} is a name or a word and no option, put -- before it."
            raise click.UsageError(said, error.ctx) from None
        except DocIOError as error:
            error.args = (options.message(ctx, error),)
            raise

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        width = max(map(len, _HOMES))
        room = formatter.width - width - 6
        for section, homes in _SECTIONS.items():
            with formatter.section(section):
                for name in (name for names in homes.values() for name in names):
                    command = self.get_command(ctx, name)
                    if command is not None:
                        formatter.write_text(f"{name:{width}}  {command.get_short_help_str(room)}")


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="doc-io")
@click.pass_context
def group(context: click.Context) -> None:
    """Inspect and maintain the documents that language models wrote.

    The store is the one named by --docs-root and --db (before or after the command), else by DOC_IO_DOCS_ROOT and
    DOC_IO_DB, else by [tool.doc_io] in pyproject.toml, else data/docs with the index data/db/documents.sqlite.

    DOC is a doc_id, the start of one, STAGE/TASK for the latest ok document of a task (its newest attempt where none is
    ok), STAGE/TASK@newest for the newest attempt, STAGE/TASK@-1 for the one before it, or STAGE/TASK@RUN for what a run
    made. Put -- before a name or a word that begins with a dash.
    """
    context.color = None if _coloured() else False


group.params += options.store_options(environment=True)


def main() -> None:
    """Run a command; ends the program with 0, or with the exit code of the error."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # a terminal in latin-1 still gets an answer
    try:
        group(prog_name="doc-io", standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except DocIOError as error:
        click.secho(f"Error: {error}", fg="red", err=True, color=None if _coloured() else False)
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        sys.exit(_INTERRUPTED)
    except BrokenPipeError:
        # The reader has seen enough (`doc-io ls | head`). Python would complain once more while it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(0)


def _coloured() -> bool:
    return not os.environ.get("NO_COLOR")  # no-color.org; click does not know it
