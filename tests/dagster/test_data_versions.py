"""The hash of the text is the asset's data version."""

from typing import Any

import dagster as dg

from tests.dagster.conftest import House

TAG = "dagster/data_version"


def versions(house: House, value: Any, **options: Any) -> str | None:
    """The data version of what an asset returns."""

    @dg.asset
    def draft():  # type: ignore[no-untyped-def] # noqa: ANN202 - Dagster 1.11 takes an Output only without an annotation
        return value

    result = house.run([draft], **options)
    [made] = [event.materialization for event in result.all_events if event.is_step_materialization]
    return str(made.tags[TAG])


def test_the_same_text_has_the_same_version_and_another_text_another(house: House) -> None:
    """Regenerated, identical text does not make downstream stale."""
    one, same, other = (versions(house, text) for text in ("a", "a", "b"))
    rows = house.store.history("draft", "draft")

    assert one == same != other
    assert one == rows[-1].content_hash


def test_an_explicit_version_wins(house: House) -> None:
    """Output(data_version=…)."""
    assert versions(house, dg.Output("a", data_version=dg.DataVersion("mine"))) == "mine"


def test_it_can_be_turned_off(house: House) -> None:
    """Then the version is Dagster's own, new for each run."""
    one, other = (versions(house, "a", manager={"data_versions": False}) for _ in range(2))
    assert house.store.history("draft", "draft")[0].content_hash not in (one, other)
