"""A writer that asks a chat model, at OpenAI or any endpoint that speaks its chat completions."""

import os

import openai
from openai.types.chat import ChatCompletion

from doc_io import Usage
from examples.essay_pipeline.prompts import Prompt
from examples.essay_pipeline.writer import Answer, Writer, WriterError

DEFAULT_MODEL = "gpt-4o-mini"


class ChatWriter(Writer):
    """Chat completions by the official ``openai`` library.

    Key and endpoint stay in the environment (``OPENAI_API_KEY``, ``OPENAI_BASE_URL``) and are no fields, because
    Dagster shows a resource's fields in its UI and writes them into its logs.

    Args:
        model: The model's name at the endpoint.
        timeout_seconds: How long to wait for one answer.
        max_retries: How often the library tries again after a lost connection, a 429 or a 5xx.
    """

    model: str = DEFAULT_MODEL
    timeout_seconds: float = 120.0
    max_retries: int = 2

    @property
    def model_id(self) -> str:
        """The model's name."""
        return self.model

    def write(self, prompt: Prompt, max_tokens: int) -> Answer:
        """Ask once; see `Writer.write`.

        The limit is sent as ``max_tokens``, the name that every compatible endpoint knows.
        """
        reply = self._complete(prompt.text, max_tokens)
        if isinstance(reply, str):
            # Raised here, so that the library's error, which holds the request and its headers, is no part of this one.
            raise WriterError(self.model_id, reply)
        if not reply.choices:
            raise WriterError(self.model_id, "the endpoint answered without a choice")
        choice = reply.choices[0]
        return Answer(
            text=choice.message.content or "",
            usage=Usage(
                prompt_tokens=reply.usage.prompt_tokens if reply.usage else None,
                completion_tokens=reply.usage.completion_tokens if reply.usage else None,
                max_tokens=max_tokens,
            ),
            finish_reason=choice.finish_reason,
        )

    def _complete(self, text: str, max_tokens: int) -> ChatCompletion | str:
        """The endpoint's reply, or why there is none."""
        # A server on one's own machine often wants no key, the library always does.
        key = os.environ.get("OPENAI_API_KEY") or "none"
        try:
            with openai.OpenAI(api_key=key, timeout=self.timeout_seconds, max_retries=self.max_retries) as client:
                return client.chat.completions.create(
                    model=self.model, messages=[{"role": "user", "content": text}], max_tokens=max_tokens
                )
        except openai.OpenAIError as error:
            return f"{type(error).__name__}: {error}".replace(key, "***")
