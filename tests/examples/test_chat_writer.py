"""The chat writer against a real HTTP server on this machine."""

import logging
import traceback

import pytest

from doc_io import Usage
from examples.essay_pipeline.chat import ChatWriter
from examples.essay_pipeline.offline import OfflineWriter
from examples.essay_pipeline.prompts import Prompt
from examples.essay_pipeline.writer import Answer, WriterError, from_environment
from tests.examples.endpoint import KEY, Endpoint, completion

PROMPT = Prompt("essay-1", "Write about folders.", ("folders",))


def test_the_environment_chooses_the_writer(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key or an endpoint means a chat model; neither means offline."""
    assert from_environment() == ChatWriter(model="tiny-writer")
    monkeypatch.delenv("OPENAI_API_KEY")
    assert isinstance(from_environment(), ChatWriter)
    monkeypatch.delenv("OPENAI_BASE_URL")
    assert isinstance(from_environment(), OfflineWriter)


def test_it_sends_the_prompt_the_model_and_the_limit(endpoint: Endpoint) -> None:
    """One user message, nothing added."""
    from_environment().write(PROMPT, 300)

    assert endpoint.requests == [
        {
            "path": "/v1/chat/completions",
            "model": "tiny-writer",
            "messages": [{"role": "user", "content": "Write about folders."}],
            "max_tokens": 300,
        }
    ]
    assert endpoint.headers[0]["authorization"] == f"Bearer {KEY}"


def test_an_endpoint_that_wants_no_key_gets_none(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    """Servers on one's own machine mostly have no keys."""
    monkeypatch.delenv("OPENAI_API_KEY")

    assert from_environment().write(PROMPT, 300).text == "An essay."


def test_text_usage_and_finish_reason_come_back(endpoint: Endpoint) -> None:
    """The endpoint's counts are kept, with the limit that was asked for."""
    usage = {"prompt_tokens": 11, "completion_tokens": 300, "total_tokens": 311}
    endpoint.reply = lambda _: (200, completion("An essay that was c", "length", usage))

    assert from_environment().write(PROMPT, 300) == Answer(
        text="An essay that was c",
        usage=Usage(prompt_tokens=11, completion_tokens=300, max_tokens=300),
        finish_reason="length",
    )


def test_an_answer_without_usage_or_text_is_an_answer(endpoint: Endpoint) -> None:
    """Some servers do not count, and a limit spent on reasoning leaves no text."""
    endpoint.reply = lambda _: (200, completion(None, "length"))

    assert from_environment().write(PROMPT, 20) == Answer("", Usage(max_tokens=20), "length")


def test_an_error_answer_is_reported_without_the_key(endpoint: Endpoint) -> None:
    """Even an endpoint that echoes the key cannot bring it into a log."""
    endpoint.reply = lambda _: (401, {"error": {"message": f"Incorrect API key provided: {KEY}.", "code": "bad"}})

    with pytest.raises(WriterError, match=r"tiny-writer gave no answer: .*401.*Incorrect API key provided") as caught:
        from_environment().write(PROMPT, 20)

    assert KEY not in "".join(traceback.format_exception(caught.value))
    assert caught.value.__context__ is None
    assert len(endpoint.requests) == 1


def test_an_endpoint_that_is_gone_is_an_error(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody listens on port 9 of this machine."""
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")

    with pytest.raises(WriterError, match="APIConnectionError"):
        ChatWriter(max_retries=0).write(PROMPT, 20)


def test_an_answer_without_a_choice_is_an_error(endpoint: Endpoint) -> None:
    """There is no text to keep."""
    endpoint.reply = lambda _: (200, {**completion("x"), "choices": []})

    with pytest.raises(WriterError, match="without a choice"):
        from_environment().write(PROMPT, 20)


def test_the_key_is_in_no_repr_and_no_log(endpoint: Endpoint, caplog: pytest.LogCaptureFixture) -> None:
    """The key stays in the environment; a field of a resource would be shown in Dagster's UI."""
    caplog.set_level(logging.DEBUG)
    writer = from_environment()
    writer.write(PROMPT, 20)

    assert KEY not in repr(writer)
    assert KEY not in str(writer.model_dump())
    assert KEY not in caplog.text
