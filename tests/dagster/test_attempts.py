"""An answer is paid for once: what an attempt had is kept, and the next try finds it."""

import json
import os
import signal
from collections import UserDict
from contextlib import suppress
from typing import Any, NoReturn

import dagster as dg
import pytest

from doc_io import Document, DocumentsByPartition, DocumentsIndex, Status
from tests.dagster.conftest import House, materializations, reason

TOPICS = dg.StaticPartitionsDefinition(["a", "b", "c", "d"])
ALL_TOPICS = {"dagster/asset_partition_range_start": "a", "dagster/asset_partition_range_end": "d"}


class HostileMapping(UserDict[str, Any]):
    """A mapping that cannot be read."""

    def __iter__(self) -> NoReturn:
        raise RuntimeError("iter")


class Model:
    """Answers, and counts what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.broken: set[str] = set()

    def answer(self, prompt: str) -> str:
        self.asked.append(prompt)
        if prompt in self.broken:
            raise ConnectionError(prompt)
        return f"answer to {prompt}"


def draft_of(model: Model, retry_policy: dg.RetryPolicy | None = None) -> dg.AssetsDefinition:
    """An asset of four topics in one run."""

    @dg.asset(
        name="draft",
        partitions_def=TOPICS,
        backfill_policy=dg.BackfillPolicy.single_run(),
        metadata={"doc_io/model_id": "m"},
        retry_policy=retry_policy,
    )
    def draft(context: dg.AssetExecutionContext, documents: DocumentsIndex) -> DocumentsByPartition:
        made = {}
        for key in context.partition_keys:
            with documents.attempt(context, prompt=f"on {key}", partition_key=key) as attempt:
                if attempt.stored:
                    made[key] = attempt.stored
                    continue
                attempt.raw = model.answer(f"on {key}")
                made[key] = attempt.document()
        return DocumentsByPartition(made)

    return draft


def statuses(house: House, stage: str = "draft") -> dict[str, list[str]]:
    """Of each topic, the statuses of its documents, oldest first."""
    return {
        key: [str(row.status) for row in reversed(house.store.history(stage, key))]
        for key in TOPICS.get_partition_keys()
    }


def test_what_was_answered_before_is_returned_and_said_once(house: House) -> None:
    """Prompt, template and model are named to `attempt` alone."""
    model = Model()
    house.run([draft_of(model)], tags=ALL_TOPICS)
    made = materializations(house.run([draft_of(model)], tags=ALL_TOPICS))

    assert model.asked == ["on a", "on b", "on c", "on d"]
    assert made["draft|a"]["reused"] is True
    assert statuses(house) == {key: ["ok"] for key in "abcd"}
    [row] = house.store.history("draft", "a")
    assert (row.model_id, house.store.read(row, "prompt")) == ("m", "on a")


def test_a_run_over_many_partitions_that_fails_at_the_fourth_keeps_the_first_three(house: House) -> None:
    """And the next run asks for the fourth alone."""
    model = Model()
    model.broken = {"on d"}
    assert not house.run([draft_of(model)], tags=ALL_TOPICS).success

    assert statuses(house) == {key: ["gen_error"] for key in "abcd"}
    [kept] = house.store.history("draft", "a")
    assert (house.store.read(kept), kept.meta_small["complete"]) == ("answer to on a", True)

    model.broken = set()
    assert house.run([draft_of(model)], tags=ALL_TOPICS).success
    assert model.asked == ["on a", "on b", "on c", "on d", "on d"]
    assert statuses(house) == {**{key: ["gen_error", "ok"] for key in "abcd"}}


def test_a_retry_policy_asks_for_the_bad_partition_alone(house: House) -> None:
    """Reuse in the body: four calls and one more, not eight."""
    model = Model()
    model.broken = {"on c"}

    draft = draft_of(model, retry_policy=dg.RetryPolicy(max_retries=1))
    answer = model.answer

    def once_broken(prompt: str) -> str:
        try:
            return answer(prompt)
        finally:
            if prompt == "on c":
                model.broken = set()

    model.answer = once_broken  # type: ignore[method-assign]
    assert house.run([draft], tags=ALL_TOPICS).success
    assert model.asked == ["on a", "on b", "on c", "on c", "on d"]


def test_a_body_that_raises_after_its_attempt_ended_keeps_the_answer(house: House) -> None:
    """Outside of any attempt: it is kept when the step's process lets go of its resources."""
    asked = []

    @dg.asset
    def draft(context: dg.AssetExecutionContext, documents: DocumentsIndex) -> Document:
        with documents.attempt(context, prompt="p") as attempt:
            if attempt.stored:
                return attempt.stored
            asked.append("p")
            attempt.raw = "whole"
            made = attempt.document()
        if len(asked) == 1 and "fail" in context.run.tags:
            raise ValueError("later")
        return made

    assert not house.run([draft], tags={"fail": "yes"}).success
    [row] = house.store.history("draft", "draft")
    assert (row.status, row.meta_small["complete"], house.store.read(row)) == (Status.GEN_ERROR, True, "whole")

    assert house.run([draft]).success
    latest = house.store.latest("draft", "draft")
    assert latest is not None
    assert (house.store.read(latest), latest.meta_small["reused_from"]) == ("whole", row.doc_id)
    assert asked == ["p"]


def test_a_step_that_succeeds_makes_one_document_of_its_attempt(house: House) -> None:
    """Also where its output goes to no IO manager of ours."""

    @dg.asset
    def effect(context: dg.AssetExecutionContext, documents: DocumentsIndex) -> None:
        with documents.attempt(context, prompt="p") as attempt:
            attempt.raw = "whole"

    assert house.run([effect, draft_of(Model())], selection=[effect]).success
    assert house.store.history("effect", "effect") == []


def test_a_document_that_is_not_ok_is_kept_once(house: House) -> None:
    """As what it is: a retry may give a whole one."""

    @dg.asset
    def draft(context: dg.AssetExecutionContext, documents: DocumentsIndex) -> Document:
        with documents.attempt(context, prompt="p") as attempt:
            attempt.raw = "half"
            return attempt.document(finish_reason="length")

    house.run([draft])
    assert [row.status for row in house.store.history("draft", "draft")] == [Status.TRUNCATED]


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_inside_of_an_attempt_keeps_what_there_was(house: House, sent: signal.Signals) -> None:
    """A run that is cancelled has paid for what it got."""

    @dg.asset
    def draft(context: dg.AssetExecutionContext, documents: DocumentsIndex) -> Document:
        with documents.attempt(context, prompt="p") as attempt:
            attempt.raw = "half"
            os.kill(os.getpid(), sent)
            raise AssertionError("the signal came late")

    before = signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGINT))
    try:
        with suppress(KeyboardInterrupt):  # Dagster passes it on, by version
            house.run([draft])
    finally:
        signal.signal(signal.SIGTERM, before)
    [row] = house.store.history("draft", "draft")
    assert (row.status, house.store.read(row)) == (Status.GEN_ERROR, "half")


def test_the_id_of_a_batch_that_was_sent_is_given_to_the_next_try(house: House) -> None:
    """So that it is fetched, and not sent again."""
    sent, fetched = [], []

    @dg.asset
    def draft(context: dg.AssetExecutionContext, documents: DocumentsIndex) -> Document:
        with documents.attempt(context, prompt="p") as attempt:
            if attempt.unfinished is None:
                sent.append("batch-1")
                attempt.provider_id = "batch-1"
                raise TimeoutError("not ready")
            fetched.append(attempt.unfinished)
            attempt.raw = "late answer"
            return attempt.document()

    house.run([draft])
    assert house.run([draft]).success
    assert (sent, fetched) == (["batch-1"], ["batch-1"])


def test_a_dated_model_name_of_the_provider_is_not_the_identity(house: House) -> None:
    """The model asked for is; so the next run finds the answer."""
    asked = []

    @dg.asset
    def draft(context: dg.AssetExecutionContext, documents: DocumentsIndex) -> Document:
        with documents.attempt(context, prompt="p", model_id="gpt-4o") as attempt:
            if attempt.stored:
                return attempt.stored
            asked.append("p")
            return attempt.document(
                {"model": "gpt-4o-2024-08-06", "choices": [{"message": {"content": "x"}, "finish_reason": "stop"}]}
            )

    house.run([draft])
    house.run([draft])
    [row] = house.store.history("draft", "draft")
    assert (row.model_id, row.meta_small["provider_model"], asked) == ("gpt-4o", "gpt-4o-2024-08-06", ["p"])


def test_a_document_of_another_identity_than_its_reuse_asked_for_is_warned_of(house: House) -> None:
    """Else every run would pay again, and nobody would know why."""

    @dg.asset
    def draft(context: dg.AssetExecutionContext, documents: DocumentsIndex) -> Document:
        documents.reuse(context, prompt="p")
        return Document("x", prompt="p", template_id="t2")

    result = house.run([draft])
    warnings = [each.user_message for each in house.instance.all_logs(result.run_id) if each.level == 30]
    assert sum("template_id None was asked for, and the document has 't2'" in each for each in warnings) == 1


@pytest.mark.parametrize("text", ["", "  \n\t"])
def test_an_empty_answer_fails_and_does_not_hide_a_good_one(house: House, text: str) -> None:
    """With the reason; an author, or the IO manager, may say that it is ok."""
    answers = ["good"]

    @dg.asset
    def draft() -> Document:
        return Document(answers[-1])

    @dg.asset
    def meant() -> Document:
        return Document("", status="ok")

    house.run([draft])
    answers.append(text)
    assert "gen_error (empty)" in reason(house.run([draft]), "draft")
    latest = house.store.latest("draft", "draft")
    assert latest is not None
    assert house.store.read(latest) == "good"
    assert house.run([draft], manager={"empty": "ok"}).success
    assert house.run([meant]).success


def test_a_parser_that_leaves_nothing_is_an_empty_answer_too(house: House) -> None:
    """What readers get would be empty."""

    @dg.asset(metadata={"doc_io/parser": "builtins.str.strip"})
    def draft() -> str:
        return " "

    assert not house.run([draft]).success


@pytest.mark.parametrize("wrong", [7, "text", [1], HostileMapping()], ids=lambda value: type(value).__name__)
def test_metadata_that_is_no_mapping_costs_no_text_of_a_body_that_raises(house: House, wrong: Any) -> None:
    @dg.asset
    def draft(context: dg.AssetExecutionContext, documents: DocumentsIndex) -> str:
        with documents.attempt(context, prompt="p") as attempt:
            attempt.raw, attempt.metadata = "half", wrong
            raise ConnectionError("gone")

    assert "gone" in reason(house.run([draft]), "draft")
    [row] = house.store.history("draft", "draft")
    assert (house.store.read(row), house.store.read(row, "prompt")) == ("half", "p")


@pytest.mark.parametrize("way", ["text", "response"])
def test_a_body_that_returns_the_answer_itself_need_not_say_the_prompt_again(house: House, way: str) -> None:
    """As a plain text, or as what `from_response` gives: the next run finds it."""
    paid = []
    response = {"object": "chat.completion", "model": "m-2026-01", "choices": [{"message": {"content": "answer"}}]}

    @dg.asset
    def draft(context: dg.AssetExecutionContext, documents: DocumentsIndex) -> Any:
        with documents.attempt(context, prompt="p", model_id="m") as attempt:
            if attempt.stored:
                return attempt.stored
            paid.append(1)
            attempt.raw = "answer"
        return attempt.raw if way == "text" else Document.from_response(response)

    for _ in range(2):
        assert house.run([draft]).success

    assert len(paid) == 1
    [row] = house.store.history("draft", "draft")
    assert (house.store.read(row, "prompt"), row.model_id) == ("p", "m")


def test_chat_messages_are_a_prompt(house: House) -> None:
    """Found again by their content; the body gets them as it gave them."""
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Write."}]
    asked = []

    @dg.asset
    def draft(context: dg.AssetExecutionContext, documents: DocumentsIndex) -> Document:
        with documents.attempt(context, prompt=[dict(each) for each in messages], model_id="m") as attempt:
            if attempt.stored:
                return attempt.stored
            asked.append(attempt.prompt)
            attempt.raw = "answer"
            return attempt.document()

    for _ in range(2):
        assert house.run([draft]).success

    assert asked == [messages]
    [row] = house.store.history("draft", "draft")
    assert json.loads(house.store.read(row, "prompt")) == messages


@pytest.mark.parametrize("prompt", [7, b"bytes", object()], ids=lambda value: type(value).__name__)
def test_what_is_no_prompt_is_refused_before_it_is_paid_for(house: House, prompt: Any) -> None:
    paid = []

    @dg.asset
    def draft(context: dg.AssetExecutionContext, documents: DocumentsIndex) -> str:
        with documents.attempt(context, prompt=prompt):
            paid.append(1)
            return "answer"

    assert "prompt cannot be used" in reason(house.run([draft]), "draft")
    assert paid == []


@pytest.mark.parametrize("prompt", ["\ud800 alone", "a\0b", ""])
def test_a_prompt_of_any_characters_is_found_again(house: House, prompt: str) -> None:
    paid = []

    @dg.asset
    def draft(context: dg.AssetExecutionContext, documents: DocumentsIndex) -> Document:
        with documents.attempt(context, prompt=prompt, model_id="m") as attempt:
            if attempt.stored:
                return attempt.stored
            paid.append(1)
            attempt.raw = "answer"
            return attempt.document()

    for _ in range(2):
        assert house.run([draft]).success
    assert len(paid) == 1
