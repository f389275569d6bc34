"""For the tests of your own pipelines: a temporary store, and contexts for partitioned assets."""

from doc_io.dagster.for_tests import TemporaryDocuments, input_context, output_context, temporary_documents

__all__ = ["TemporaryDocuments", "input_context", "output_context", "temporary_documents"]
