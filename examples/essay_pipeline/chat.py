"""A writer that asks a chat model, at OpenAI or any endpoint that speaks its chat completions."""

import os

import openai

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
        # A server on this machine often wants no key, the library always does.
        key = os.environ.get("OPENAI_API_KEY") or "none"
        trouble = None
        try:
            with openai.OpenAI(api_key=key, timeout=self.timeout_seconds, max_retries=self.max_retries) as client:
                reply = client.chat.completions.create(
                    model=self.model, messages=[{"role": "user", "content": prompt.text}], max_tokens=max_tokens
                )
        except openai.OpenAIError as error:
            trouble = f"{type(error).__name__}: {error}"
        if trouble is not None:
            # Raised out here, so that the library's error, which holds the request and its headers, is no part of it.
            raise WriterError(f"{self.model} gave no answer. {trouble.replace(key, '***')}")
        if not reply.choices:
            raise WriterError(f"{self.model} answered without a choice.")
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
