"""Who writes: one small interface, an `Answer` to a `Prompt` within a limit of tokens."""

import os
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import dagster as dg

from doc_io import Usage
from examples.essay_pipeline.prompts import Prompt


@dataclass(frozen=True)
class Answer:
    """What came back.

    Args:
        text: The whole answer, as it came.
        usage: Tokens in the prompt and in the answer, and the limit.
        finish_reason: Why it ended, in the words of chat completions: ``stop``, or ``length`` where the limit cut it.
    """

    text: str
    usage: Usage
    finish_reason: str


class WriterError(RuntimeError):
    """The writer gave no answer.

    Args:
        writer: Who did not answer, by its model id.
        reason: Why; holds no credential.
    """

    def __init__(self, writer: str, reason: str) -> None:
        super().__init__(f"{writer} gave no answer: {reason}")


class Writer(dg.ConfigurableResource[Any], ABC):
    """A Dagster resource that answers prompts."""

    @property
    @abstractmethod
    def model_id(self) -> str:
        """What writes, as documents record it."""

    @abstractmethod
    def write(self, prompt: Prompt, max_tokens: int) -> Answer:
        """Answer a prompt.

        Args:
            prompt: What to write, and from what.
            max_tokens: The longest answer, in the writer's own tokens; a longer one is cut, with finish reason ``length``.

        Raises:
            WriterError: There is no answer.
        """


def from_environment() -> Writer:
    """A chat model where ``OPENAI_API_KEY`` or ``OPENAI_BASE_URL`` is set (``OPENAI_MODEL`` names it), else the offline writer."""
    if os.environ.get("OPENAI_API_KEY") or os.environ.get("OPENAI_BASE_URL"):
        from examples.essay_pipeline.chat import DEFAULT_MODEL, ChatWriter  # noqa: PLC0415 - needs the extra `examples`

        return ChatWriter(model=os.environ.get("OPENAI_MODEL") or DEFAULT_MODEL)
    from examples.essay_pipeline.offline import OfflineWriter  # noqa: PLC0415 - it imports this module

    return OfflineWriter()
