"""Pictures of values: a lineage as a tree, for mermaid and for dot; a change in colours."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from doc_io.cli import render
from doc_io.escaping import printable

if TYPE_CHECKING:
    from collections.abc import Callable

    from doc_io.reports.diff import Change
    from doc_io.reports.lineage import Edge, Lineage


def tree(graph: Lineage) -> None:
    """Print what a document was made from above what was made from it."""
    click.echo(_label(graph, graph.doc_id))
    directions = [
        (title, edges, other)
        for title, edges, other in (
            ("made from", graph.parents, lambda edge: edge.parent),
            ("made into", graph.children, lambda edge: edge.child),
        )
        if edges(graph.doc_id)
    ]
    for title, edges, other in directions:
        last = title == directions[-1][0]
        click.echo(f"{_BRANCH[last]}{title}")
        _branch(graph, edges, other, _INDENT[last])


_BRANCH = ("├── ", "└── ")  # before what others follow, and before the last one
_INDENT = ("│   ", "    ")


def _branch(graph: Lineage, edges: Callable[[str], list[Edge]], other: Callable[[Edge], str], indent: str) -> None:
    """Print one direction; what is below a document only at its first place. A loop, as chains may be long."""
    drawn = {graph.doc_id}
    waiting = _twigs(edges(graph.doc_id), indent)
    while waiting:
        edge, indent, last = waiting.pop()
        name = other(edge)
        further = edges(name)
        via = f" as {printable(edge.input_name)}" if edge.input_name else ""
        again = " (see above)" if name in drawn and further else ""
        click.echo(f"{indent}{_BRANCH[last]}{_label(graph, name)}{via}{again}")
        if name not in drawn:
            drawn.add(name)
            waiting += _twigs(further, indent + _INDENT[last])


def _twigs(edges: list[Edge], indent: str) -> list[tuple[Edge, str, bool]]:
    """Edges with their indentation and whether each is the last one, from the last to the first."""
    return [(edge, indent, number == 0) for number, edge in enumerate(reversed(edges))]


def mermaid(graph: Lineage) -> None:
    """Print a flowchart for Markdown (mermaid.js.org)."""
    click.echo("flowchart TD")
    for doc_id in _nodes(graph):
        click.echo(f'    {_mermaid_id(doc_id)}["{_entities(_label(graph, doc_id))}"]')
    for edge in graph.edges:
        label = f'|"{_entities(printable(edge.input_name))}"|' if edge.input_name else ""
        click.echo(f"    {_mermaid_id(edge.parent)} -->{label} {_mermaid_id(edge.child)}")


def dot(graph: Lineage) -> None:
    """Print a graph for Graphviz."""
    click.echo("digraph lineage {\n    node [shape=box]")
    for doc_id in _nodes(graph):
        click.echo(f"    {_quoted(doc_id)} [label={_quoted(_label(graph, doc_id))}]")
    for edge in graph.edges:
        label = f" [label={_quoted(printable(edge.input_name))}]" if edge.input_name else ""
        click.echo(f"    {_quoted(edge.parent)} -> {_quoted(edge.child)}{label}")
    click.echo("}")


def changes(found: Iterable[Change]) -> None:
    """Print a change: coloured in a terminal, in ``[-…-]`` and ``{+…+}`` elsewhere, as ``git diff --word-diff`` has it."""
    marks = {"same": ("", ""), "removed": ("[-", "-]"), "added": ("{+", "+}")}
    colours = {"removed": "red", "added": "green"}
    for change in found:
        text = printable(change.text, keep="\n\t")
        if render.coloured() and change.kind in colours:
            click.secho(text, fg=colours[change.kind], strikethrough=change.kind == "removed", nl=False)
        else:
            before, after = marks[change.kind]
            click.echo(f"{before}{text}{after}", nl=False)
    click.echo()


def _nodes(graph: Lineage) -> list[str]:
    ends = [doc_id for edge in graph.edges for doc_id in (edge.parent, edge.child)]
    return list(dict.fromkeys([graph.doc_id, *ends]))


def _label(graph: Lineage, doc_id: str) -> str:
    row = graph.rows.get(doc_id)
    if row is None:
        return f"{printable(doc_id)} (not in the store)"
    return printable(f"{row.stage}/{row.task_id} {doc_id} {row.status}")


def _mermaid_id(doc_id: str) -> str:
    # Ids begin with any letter or digit and "end" is a word of mermaid's; a parent's id may be any text.
    return f"d_{doc_id}" if doc_id.isalnum() and doc_id.isascii() else f"d_{doc_id.encode('utf-8', 'replace').hex()}"


def _entities(text: str) -> str:
    return "".join(each if each.isalnum() or each in " _-/.(),:" else f"#{ord(each)};" for each in text)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
