"""Compare: two documents side by side, or two runs or experiments task by task."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from starlette.requests import Request

from doc_io.batches import first_of_page
from doc_io.document import DocumentRow
from doc_io.errors import DocIOError
from doc_io.index.base import Filter
from doc_io.reading import Which
from doc_io.reports import diff
from doc_io.reports.diff import Change
from doc_io.reports.runs import OUTCOMES, Pair, compare_selections
from doc_io.web.address import AddressError, Links, number
from doc_io.web.aligned import laid_out
from doc_io.web.page import Page, Site, document_of
from doc_io.web.pages.task import attempts_of

_LARGE = 200_000  # characters; of longer texts only what differs is shown
_ROWS = 120  # pairs on a page
_FACTS = (
    "status", "score", "template_id", "model_id", "run_id", "experiment_id", "usage_prompt_tokens",
    "usage_completion_tokens", "usage_max_tokens", "raw_chars", "parser", "parent_doc_id", "created_at",
)  # fmt: skip


def compare_page(site: Site, request: Request, links: Links) -> Page:
    """Two documents, or two selections where two runs or experiments are named."""
    query = request.query_params
    sides = _sides(request)
    if "a" in query and "b" in query:
        return _documents(site, request, links, sides)
    if sides is None:
        raise AddressError(reason="name two documents (?a=…&b=…), two runs (?run=…&run=…) or two experiments")
    name, old, new = sides
    pairs = _pairs(site, sides)
    only = query.get("outcome", "")
    fitting = [pair for pair in pairs if only in ("", pair.outcome)]
    skip = first_of_page(number(query, "skip"), len(fitting), _ROWS)
    shown = fitting[skip : skip + _ROWS]
    return Page(
        "compare_runs.html",
        f"{old} and {new}",
        {
            "by": name,
            "old": old,
            "new": new,
            "counts": Counter(p.outcome for p in pairs),
            "pairs": shown,
            "total": len(fitting),
        },
        (
            ("stage", "task_id", "outcome", "old", "new", "old_score", "new_score"),
            [
                (
                    pair.stage,
                    pair.task_id,
                    pair.outcome,
                    *(each and each.doc_id for each in (pair.old, pair.new)),
                    *(each and each.score for each in (pair.old, pair.new)),
                )
                for pair in shown
            ],
        ),
        {"outcomes": OUTCOMES, "only": only, "skip": skip, "page_size": _ROWS, "selection": {name: [old, new]}},
    )


def _documents(site: Site, request: Request, links: Links, sides: tuple[str, str, str] | None) -> Page:
    query = request.query_params
    old, new = document_of(site, query["a"]), document_of(site, query["b"])
    only = query.get("only") == "1"
    inline = query.get("view") == "inline"
    sections = [_section(site, old, new, which, only=only) for which in ("raw", "parsed", "prompt")]
    facts = _facts(site, old, new)
    selection = {} if sides is None else {sides[0]: [sides[1], sides[2]]}
    back, forth = _neighbours(site, old, new, sides)
    kept: dict[str, Any] = {"view": query.get("view"), "only": query.get("only"), **selection}
    return Page(
        "compare.html",
        f"{old.task_id}: {old.doc_id[:6]} and {new.doc_id[:6]}",
        {
            "a": old,
            "b": new,
            "texts": {each["which"]: each["changes"] for each in sections if each is not None},
            "metadata": {name: {"a": one, "b": other} for name, one, other, _ in facts},
        },
        None,
        {
            "old": old,
            "new": new,
            "sections": [each for each in sections if each is not None],
            "facts": [fact for fact in facts if fact[3] or not only],
            "inline": inline,
            "only": only,
            "values": {"a": old.doc_id, "b": new.doc_id, **kept},
            "previous": back and links.compare(*back, **kept),
            "next": forth and links.compare(*forth, **kept),
            "selection": selection,
        },
    )


def _section(site: Site, old: DocumentRow, new: DocumentRow, which: Which, *, only: bool) -> dict[str, Any] | None:
    """A text of both, where both have it."""
    lengths = [getattr(row, f"{which}_chars", 0) for row in (old, new)]
    hashes = {"raw": "content_hash", "prompt": "prompt_hash"}
    has = [row.prompt_path if which == "prompt" else length for row, length in zip((old, new), lengths, strict=True)]
    if has == [None, None]:
        return None
    section: dict[str, Any] = {"which": which, "changes": [], "rows": [], "count": 0, "whole": True, "trouble": ""}
    if None in has:
        section["trouble"] = f"Only the {'newer' if has[0] is None else 'older'} one has this text."
        return section
    same_hash = which in hashes and getattr(old, hashes[which]) is not None
    if same_hash and getattr(old, hashes[which]) == getattr(new, hashes[which]) and (only or which == "prompt"):
        return section
    try:
        changes: list[Change] = diff(site.store, old, new, which)
    except DocIOError as error:
        section["trouble"] = str(error)
        return section
    large = max(length or 0 for length in lengths) > _LARGE
    found, count, whole = laid_out(changes, only_changes=only or large)
    section |= {"changes": changes, "rows": found if count or not only else [], "count": count, "whole": whole}
    return section


def _facts(site: Site, old: DocumentRow, new: DocumentRow) -> list[tuple[str, str, str, bool]]:
    """What is known of both: name, older value, newer value, whether they differ."""
    left, right = ({name: getattr(row, name) for name in _FACTS} | _metadata(site, row) for row in (old, new))
    names = list(dict.fromkeys([*left, *right]))
    facts = [
        (name, _text(left.get(name)), _text(right.get(name)), left.get(name) != right.get(name))
        for name in names
        if left.get(name) is not None or right.get(name) is not None
    ]
    return sorted(facts, key=lambda fact: not fact[3])  # what differs first


def _metadata(site: Site, row: DocumentRow) -> dict[str, Any]:
    try:
        return {**row.meta_small, **site.store.record(row).metadata}
    except DocIOError:
        return dict(row.meta_small)


def _text(value: object) -> str:
    if value is None:
        return "\N{EN DASH}"
    return str(value) if isinstance(value, (str, int, float)) else json.dumps(value, ensure_ascii=False, default=str)


def _sides(request: Request) -> tuple[str, str, str] | None:
    """What is compared, where two runs or two experiments are named."""
    for name in ("run", "experiment"):
        values = [value for value in request.query_params.getlist(name) if value]
        if len(values) == 2:  # noqa: PLR2004 - two sides
            return name, values[0], values[1]
    return None


def _pairs(site: Site, sides: tuple[str, str, str]) -> list[Pair]:
    name, old, new = sides
    column = f"{name}_id"
    one, other = Filter(**{column: old}), Filter(**{column: new})  # type: ignore[arg-type]  # a column by its name
    found, _ = site.remembered.get(("pairs", *sides), lambda: compare_selections(site.store, one, other))
    return found


def _neighbours(
    site: Site, old: DocumentRow, new: DocumentRow, sides: tuple[str, str, str] | None
) -> tuple[tuple[DocumentRow, DocumentRow] | None, tuple[DocumentRow, DocumentRow] | None]:
    """The pairs before and after this one: of the same two selections, else attempts at the same task."""
    if sides is not None:
        pairs = [(pair.old, pair.new) for pair in _pairs(site, sides) if pair.old and pair.new]
    elif (old.stage, old.task_id) == (new.stage, new.task_id):
        history = attempts_of(site, old.stage, old.task_id).rows
        pairs = list(zip(history[1:], history, strict=False))
    else:
        return None, None
    known = [(one.doc_id, other.doc_id) for one, other in pairs]
    here = (old.doc_id, new.doc_id)
    if here not in known:
        return None, None
    at = known.index(here)
    return (pairs[at - 1] if at else None), (pairs[at + 1] if at + 1 < len(pairs) else None)
