"""A whole response becomes JSON text, and no secret and no hostile object gets in the way."""

from __future__ import annotations

import datetime as dt
import enum
import json
from collections import namedtuple
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock
from uuid import UUID

import numpy as np
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from doc_io.provider_responses import read_response, response_as_json
from tests.provider_samples import CHAT, SAMPLES, as_object, chat


class Kind(enum.Enum):
    CHAT = "chat"


class Part(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="allow")
    text: str
    missing: int | None = None
    hidden: str = pydantic.Field("h", exclude=True)
    quiet: str = pydantic.Field("q", repr=False)
    _private: str = "p"


PART = Part.model_validate({"text": "hello", "extra": 1})


@dataclass
class Reply:
    parts: list[Part]
    quiet: str = field(default="q", repr=False)
    _private: str = "p"


@dataclass
class Slotted:
    __slots__ = ("text",)
    text: str


Pair = namedtuple("Pair", ["text", "count"])  # noqa: PYI024  # as libraries without types have it


class Client:
    """What a response may hold, and must not show."""

    api_key = "sk-secret"

    def __repr__(self) -> str:
        return f"Client({self.api_key})"


NESTED: list[Any] = []
NESTED.append({"again": NESTED})
DEEP: list[Any] = ["bottom"]
for _ in range(10_000):
    DEEP = [DEEP]


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        (None, None),
        ("hello", "hello"),
        ({"a": [1, 2.5, True, None]}, {"a": [1, 2.5, True, None]}),
        (Reply([PART]), {"parts": [{"text": "hello", "extra": 1}]}),
        (Slotted("hello"), {"text": "hello"}),
        (Pair("hello", 3), {"text": "hello", "count": 3}),
        (as_object({"text": "hello"}), {"text": "hello"}),
        ((1, 2), [1, 2]),
        ({"b", "a"}, ["a", "b"]),
        (Kind.CHAT, "chat"),
        (np.int64(3), 3),
        (Decimal("1.10"), "1.10"),
        (dt.datetime(2026, 1, 2, tzinfo=dt.timezone.utc), "2026-01-02T00:00:00+00:00"),
        (UUID(int=7), "00000000-0000-0000-0000-000000000007"),
        ({1: "a", None: "b", Kind.CHAT: "c"}, {"1": "a", "None": "b", f"<{__name__}.Kind>": "c"}),
        ([float("nan"), float("-inf")], ["<nan>", "<-inf>"]),
        ([10**5000], ["<integer of 16610 bits>"]),
        (b"\x00\xff", "<builtins.bytes>"),
        ([Client(), Client], [f"<{__name__}.Client>", "<builtins.type>"]),
        (NESTED, [{"again": "<contains itself>"}]),
        ([[CHAT], [CHAT]], [[CHAT], [CHAT]]),
        ("\ud800 …", "\ud800 …"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_data_of_every_kind_is_written(response: object, expected: object) -> None:
    text = response_as_json(response)

    assert json.loads(text) == expected
    assert text.encode()


@pytest.mark.parametrize("sample", SAMPLES)
def test_a_response_as_a_dict_is_written_as_it_is(sample: str) -> None:
    response, _ = SAMPLES[sample]

    assert json.loads(response_as_json(response)) == response


def test_a_response_that_was_written_reads_the_same() -> None:
    assert read_response(json.loads(response_as_json(as_object(CHAT)))) == read_response(CHAT)


def test_depth_is_bounded_by_a_number() -> None:
    assert "<deeper than 64 levels>" in response_as_json(DEEP)


@pytest.mark.parametrize(
    "name",
    ["api_key", "X-Api-Key", "openai_api_key", "Authorization", "Set-Cookie", "client_secret", "AWS_SECRET_ACCESS_KEY"],
)
def test_a_secret_is_withheld(name: str) -> None:
    """In a dict, in a header that is a pair, and in an object."""
    response = [{name: "sk-1"}, (name, "sk-2"), {name: {"key": "sk-3"}}, as_object({name: "sk-4"})]

    text = response_as_json(response)

    assert "sk-" not in text
    assert text.count("<withheld>") == len(response)


def test_a_token_of_log_probabilities_is_no_secret() -> None:
    logprobs = {"content": [{"token": "hel", "logprob": -0.1}]}

    assert json.loads(response_as_json(logprobs)) == logprobs


@pytest.mark.parametrize("response", [{"text": "a" * 2**24}, {"ids": list(range(2**20))}, {"text": "…" * 2**23}])
def test_a_response_that_is_too_large_says_so(response: object) -> None:
    reply = json.loads(response_as_json(response))

    assert reply == {"not_kept": "A response of type builtins.dict: it takes more than 16777216 bytes."}


def test_lists_that_share_their_items_end() -> None:
    """Sixty levels of pairs would be 2**60 lists."""
    shared: list[Any] = []
    for _ in range(60):
        shared = [shared, shared]

    assert "not_kept" in json.loads(response_as_json(shared))


class Raising:
    """Raises wherever it is touched."""

    def __init__(self, error: type[Exception]) -> None:
        object.__setattr__(self, "_error", error)

    def __getattribute__(self, name: str) -> Any:
        raise object.__getattribute__(self, "_error")(name)


class Endless(list[Any]):
    """Never ends."""

    def __iter__(self) -> Iterator[Any]:
        while True:
            yield {"message": {"content": "hello"}}


class RaisingDict(dict[str, Any]):
    """Raises when it is read."""

    def get(self, *_: object) -> Any:
        raise RuntimeError

    def items(self) -> Any:
        raise RuntimeError


HOSTILE: dict[str, Any] = {
    "every attribute raises AttributeError": Raising(AttributeError),
    "every attribute raises ValueError": Raising(ValueError),
    "every attribute raises RecursionError": Raising(RecursionError),
    "every attribute raises MemoryError": Raising(MemoryError),
    "a dict that raises": RaisingDict(CHAT),
    "a client": Client(),
    "a class": Client,
    "a mock": MagicMock(),
    "an iterator": iter([CHAT]),
    "a cycle": NESTED,
    "deep": DEEP,
    "not a number": float("nan"),
    "huge": 10**5000,
    "bytes": b"\xff",
    "half a character": "\ud800",
}


def test_an_endless_list_comes_to_an_end() -> None:
    response = {**CHAT, "choices": Endless([1])}

    assert read_response(response).text == "hello"
    assert "not_kept" in json.loads(response_as_json(response))


FIELDS = [
    *("choices", "message", "content", "text", "finish_reason", "refusal", "tool_calls", "usage", "prompt_tokens"),
    *("output", "type", "status", "stop_reason", "stopReason", "candidates", "parts", "usage_metadata", "done"),
    *("response", "response_metadata", "error", "model", "id", "object", "input_tokens", "promptFeedback"),
]


def nested(leaves: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Anything made of these leaves, with the names that readers look for."""
    names = st.sampled_from(FIELDS) | st.text(max_size=3)
    return st.recursive(
        leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=5), max_leaves=20
    )


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(FIELDS)


@given(nested(SCALARS))
def test_nothing_that_is_json_makes_reading_raise(response: object) -> None:
    for form in (response, as_object(response)):
        assert read_response(form).status in {"ok", "truncated", "gen_error"}
        json.loads(response_as_json(form))


def with_hostile(value: Any) -> Any:
    """The same with the hostile objects in place of their names: hypothesis itself could not bear them."""
    if type(value) is dict:
        return {key: with_hostile(each) for key, each in value.items()}
    if type(value) is SimpleNamespace:
        return SimpleNamespace(**with_hostile(vars(value)))
    return [with_hostile(each) for each in value] if type(value) is list else HOSTILE.get(value, value)


@given(nested(SCALARS | st.sampled_from(list(HOSTILE))))
def test_nothing_that_is_hostile_makes_reading_raise(response: object) -> None:
    for form in (with_hostile(response), with_hostile(as_object(response))):
        assert read_response(form).status in {"ok", "truncated", "gen_error"}
        json.loads(response_as_json(form))


@pytest.mark.parametrize("where", ["choices", "message", "content", "finish_reason", "usage", "model", "id"])
@pytest.mark.parametrize("hostile", HOSTILE)
def test_a_hostile_object_anywhere_in_a_response_makes_nothing_raise(hostile: str, where: str) -> None:
    value = HOSTILE[hostile]
    message = {"content": value if where == "content" else "hello"}
    response = chat(message, "stop", **({where: value} if where in {"choices", "usage", "model", "id"} else {}))
    if where in {"message", "finish_reason"}:
        response["choices"] = [{"message": message, "finish_reason": "stop", where: value}]

    assert read_response(response).status in {"ok", "truncated", "gen_error"}
    json.loads(response_as_json(response))


@pytest.mark.parametrize("where", ["usage", "model", "id", "finish_reason"])
@pytest.mark.parametrize("hostile", [each for each in HOSTILE if each != "half a character"])
def test_a_hostile_object_beside_the_text_does_not_cost_the_text(hostile: str, where: str) -> None:
    response = chat({"content": "hello"}, "stop")
    (response["choices"][0] if where == "finish_reason" else response)[where] = HOSTILE[hostile]

    answer = read_response(response)

    assert (answer.text, answer.status) == ("hello", "ok")
