"""What the libraries of model providers answer, read by the shape of the answer: none of them is imported.

Two functions, neither of which raises, whatever it is given: the answer was paid for, and is saved even if the rest of
the response is not understood.
"""

from doc_io.provider_responses.answer import Answer
from doc_io.provider_responses.as_json import response_as_json
from doc_io.provider_responses.recognise import read_response

__all__ = ["Answer", "read_response", "response_as_json"]
