"""The command that makes a shell know the others."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

_WHERE = """\b
bash: eval "$(doc-io completion bash)"    in ~/.bashrc
zsh:  eval "$(doc-io completion zsh)"     in ~/.zshrc, after compinit
fish: doc-io completion fish > ~/.config/fish/completions/doc-io.fish"""


@click.command(epilog=_WHERE)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print what makes a shell complete commands and options."""
    kind = get_completion_class(shell)
    root = click.get_current_context().find_root().command
    if kind is not None:
        click.echo(kind(root, {}, "doc-io", "_DOC_IO_COMPLETE").source())
