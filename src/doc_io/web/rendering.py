"""From a page's names to its HTML: the templates, and what each of them may use."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from jinja2.compiler import CodeGenerator
from markupsafe import Markup

from doc_io.document import Status
from doc_io.web import numbers, shown
from doc_io.web.address import FILTERS, quoted

SIGNS: dict[str, tuple[str, str]] = {
    "ok": ("✓", "ok"),
    "truncated": ("✂", "truncated"),
    "parse_error": ("!", "parse error"),
    "gen_error": ("✕", "generation error"),
    "skipped": ("○", "skipped"),
}
"""Status to the sign and the word that go with its colour."""


class Templates:
    """The templates, and the macros of ``bits.html`` that all of them use.

    Args:
        version: Of the static files; it changes with them.
    """

    def __init__(self, version: str) -> None:
        environment = Environment(
            loader=PackageLoader("doc_io.web"),
            autoescape=True,
            undefined=StrictUndefined,
            finalize=shown.html,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        environment.code_generator_class = _OneCallForEachValue
        environment.filters |= {"marked": shown.marked, "markdown": shown.markdown, "quoted": quoted, **numbers.FILTERS}
        environment.globals |= {"version": version, "signs": SIGNS, "statuses": list(Status)}
        # What is the same on every page is made once: a filter is a look-up, a macro some calls.
        made: dict[str, dict[str, str]] = {"status": {}, "sign": {}, "field": {}}
        environment.filters |= {name: each.__getitem__ for name, each in made.items()}
        macros = vars(environment.get_template("bits.html").module)
        for name, values in (("status", SIGNS), ("sign", SIGNS), ("field", FILTERS)):
            made[name].update({value: macros[name](value) for value in values})
        self._shared = {**environment.globals, **{name: macros[name] for name in macros if not name.startswith("_")}}
        self._environment = environment

    def page(self, template: str, names: Mapping[str, Any]) -> str:
        """A page as HTML.

        Args:
            template: Of what is between the page's head and its foot.
            names: What both templates show.
        """
        known = {**self._shared, **names}
        # No block of a base template: each value of a block passes through the generators of both templates.
        known["main"] = Markup(self._rendered(template, known))  # noqa: S704 - escaped there
        return self._rendered("base.html", known)

    def _rendered(self, name: str, names: dict[str, Any]) -> str:
        """As `Template.render`, without copying the names twice."""
        template = self._environment.get_template(name)
        try:
            return "".join(template.root_render_func(template.new_context(names, shared=True)))
        except Exception:  # noqa: BLE001 - raises it again, with the lines of the template
            self._environment.handle_exception()


class _OneCallForEachValue(CodeGenerator):
    """Writes one call for each value of a template, `shown.html`, where Jinja's own writes two: finalize, then escape.

    Jinja's native templates are made by the same two methods (jinja2.nativetypes).
    """

    def _output_child_pre(self, node: object, frame: object, finalize: object) -> None:  # noqa: ARG002 - Jinja's signature
        self.write("environment.finalize(")

    def _output_child_post(self, node: object, frame: object, finalize: object) -> None:  # noqa: ARG002 - as above
        self.write(")")
