"""From a response of any provider, or of none, to an answer."""

from __future__ import annotations

from doc_io.provider_responses.answer import Answer, ResponseParts, detail, judge, not_understood
from doc_io.provider_responses.anthropic_messages import read_anthropic_message
from doc_io.provider_responses.bedrock_converse import read_bedrock_converse
from doc_io.provider_responses.cohere_chat import read_cohere_chat
from doc_io.provider_responses.fields import get, string, type_name
from doc_io.provider_responses.gemini import read_gemini_response
from doc_io.provider_responses.langchain_message import read_langchain_message
from doc_io.provider_responses.ollama_reply import read_ollama_reply
from doc_io.provider_responses.openai_chat import read_chat_completion
from doc_io.provider_responses.openai_responses import read_openai_response


def read_response(response: object) -> Answer:
    """Read what a provider's library returned, an object or the same as a dict.

    Never raises: what is not understood is a ``gen_error`` that names its type.

    Args:
        response: A response of OpenAI (chat completions, Responses), Anthropic, Gemini, Bedrock Converse, Ollama,
            Mistral, Cohere or LiteLLM, a LangChain message, an error in the form of one of them, or plain text.
    """
    try:
        text = string(response)
        if text is not None:
            return Answer(text=text)
        found = _recognise(response)
        return not_understood(response) if found is None else judge(found)
    except Exception as error:  # noqa: BLE001  # the answer was paid for: nothing about it may end the step here
        return not_understood(response, f"reading it raised {type_name(error)}")


def _recognise(response: object) -> ResponseParts | None:
    for read in (
        read_chat_completion,
        read_openai_response,
        read_langchain_message,
        read_anthropic_message,
        read_gemini_response,
        read_bedrock_converse,
        read_ollama_reply,
        read_cohere_chat,
        _read_error,
    ):
        found = read(response)
        if found is not None:
            return found
    return None


def _read_error(response: object) -> ResponseParts | None:
    """An error in place of a response: ``{"error": {"message": …}}``, as most providers send it."""
    error = get(response, "error")
    message = string(error) or string(get(error, "message"))
    return None if message is None else ResponseParts(provider="error", failure=f"The provider failed{detail(message)}")
