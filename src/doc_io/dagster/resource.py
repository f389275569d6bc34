"""`DocumentsIndex`: the store for the bodies of assets, beside the IO manager."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from dagster import AssetKey, DagsterEvent

from doc_io import ids, maintenance
from doc_io.dagster.events import metadata_of, observation_of
from doc_io.dagster.identity import OutputInfo, body_output_info, completed, partition_of
from doc_io.dagster.outputs import Filing
from doc_io.dagster.reuse import ReusedDocument, find_reusable
from doc_io.dagster.settings import StoreSettings
from doc_io.document import OK, Document, DocumentRow, Status, Usage
from doc_io.errors import DocIOError
from doc_io.writing.draft import logical_key_id

if TYPE_CHECKING:
    from dagster import AssetExecutionContext, OpExecutionContext
    from upath import UPath


class Attempt:
    """What a body knows of a generation while it runs, so that it is not lost when the body raises.

    Attributes:
        prompt: The prompt.
        raw: The answer so far.
        template_id: The template. Default: from the asset.
        model_id: The model. Default: from the asset.
        usage: Tokens spent so far.
        metadata: Anything else worth keeping.
    """

    def __init__(self, prompt: str | None = None, template_id: str | None = None, model_id: str | None = None) -> None:
        self.prompt = prompt
        self.raw = ""
        self.template_id = template_id
        self.model_id = model_id
        self.usage: Usage | None = None
        self.metadata: dict[str, Any] = {}

    def failed(self, error: BaseException) -> Document:
        """What there is, as a ``gen_error`` document; the error is in its metadata."""
        return Document(
            self.raw or None,
            status=Status.GEN_ERROR,
            prompt=self.prompt,
            template_id=self.template_id,
            model_id=self.model_id,
            usage=self.usage,
            metadata={**self.metadata, "error": f"{type(error).__name__}: {error}"},
        )


class DocumentsIndex(StoreSettings):
    """Look-ups, reads and attempts inside of an asset's body; the same fields as `DocDirIOManager`.

    What has no method here is on ``.store``, a `doc_io.DocumentStore`.
    """

    def compute_logical_key_id(self, stage: str, identifiers: Mapping[str, str]) -> str:
        """See `doc_io.compute_logical_key_id`."""
        return ids.compute_logical_key_id(stage, identifiers)

    def new_doc_id(self, logical_key_id: str, run_id: str, attempt_or_ts: str | float) -> str:
        """See `doc_io.new_doc_id`."""
        return ids.new_doc_id(logical_key_id, run_id, attempt_or_ts)

    def insert_document(self, row: DocumentRow | Mapping[str, Any]) -> DocumentRow:
        """Put the row of a document whose files are there already into the index.

        Args:
            row: Every column; ``seq`` is given by the index.

        Returns:
            The row as it is in the index; where its doc_id was there already, the row that was.

        Raises:
            DamagedDocumentError: Its files are not whole; a row never points to a document that is not there.
            InvalidDocumentError: The row does not say what the document's own record says.
        """
        return maintenance.index_document(self.store, row if isinstance(row, Mapping) else row.as_dict())

    def get_latest_by_task(self, stage: str, task_id: str, status: Collection[Status | str] = OK) -> DocumentRow | None:
        """See `doc_io.DocumentStore.get_latest_by_task`."""
        return self.store.latest(stage, task_id, status)

    def get_latest_by_logical(self, logical_key_id: str, status: Collection[Status | str] = OK) -> DocumentRow | None:
        """See `doc_io.DocumentStore.get_latest_by_logical`."""
        return self.store.index.latest_by_logical(logical_key_id, frozenset(Status(each) for each in status))

    def resolve_doc_dir(self, row: DocumentRow) -> UPath:
        """The folder of a document, to open or to list."""
        return self.store.resolve_doc_dir(row)

    def read_raw(self, row: DocumentRow) -> str:
        """The model's whole answer; errors as for `doc_io.DocumentStore.read`."""
        return self.store.read(row, "raw")

    def read_parsed(self, row: DocumentRow) -> str:
        """The parsed text; errors as for `doc_io.DocumentStore.read`."""
        return self.store.read(row, "parsed")

    def read_prompt(self, row: DocumentRow) -> str:
        """The prompt; errors as for `doc_io.DocumentStore.read`."""
        return self.store.read(row, "prompt")

    @contextmanager
    def attempt(
        self,
        context: AssetExecutionContext | OpExecutionContext,
        *,
        prompt: str | None = None,
        template_id: str | None = None,
        model_id: str | None = None,
        asset_key: AssetKey | None = None,
        output_name: str = "result",
        partition_key: str | None = None,
    ) -> Iterator[Attempt]:
        """Keep what a body had when it raises: prompt and answer so far become a ``gen_error`` document.

        Args:
            context: The context of the body.
            prompt: The prompt, where it is known before. Default: set it on the attempt.
            template_id: The template. Default: from the asset.
            model_id: The model. Default: from the asset.
            asset_key: Which asset, where the body makes several. Default: the only one.
            output_name: Which output of an op. Default: ``result``.
            partition_key: Which partition, where the run has several. Default: the run's.

        Yields:
            The attempt; append to its ``raw`` as the answer comes in.

        Raises:
            BaseException: Whatever the body raised, after it was kept.
        """
        attempt = Attempt(prompt, template_id, model_id)
        try:
            yield attempt
        except BaseException as error:  # a terminated run, too, has paid for what it got
            output = body_output_info(context, asset_key, output_name)
            try:
                self._keep(context, output, partition_of(context, partition_key), attempt.failed(error))
            except DocIOError as lost:  # the body's own error is what the user must see
                context.log.error(f"The failed generation could not be kept: {lost}")  # noqa: TRY400 - Dagster's log
            raise

    def reuse(
        self,
        context: AssetExecutionContext | OpExecutionContext,
        *,
        prompt: str | None = None,
        template_id: str | None = None,
        model_id: str | None = None,
        identifiers: Mapping[str, str] | None = None,
        asset_key: AssetKey | None = None,
        output_name: str = "result",
        partition_key: str | None = None,
    ) -> ReusedDocument | None:
        """The stored ok document of this very product, to return instead of paying for another one.

        The product is known by what enters its logical key: stage, parent, template, model and identifiers. Returned
        from the asset, it makes no new document, and its materialization says ``reused: true``. The run tag
        ``doc_io/force`` (``true``, or stages with commas between) makes this return ``None``.

        Args:
            context: The context of the body.
            prompt: The prompt it must have been made from, to the letter. Default: any.
            template_id: The template. Default: from the asset.
            model_id: The model. Default: from the asset.
            identifiers: As for `doc_io.Document`. Default: none.
            asset_key: Which asset, where the body makes several. Default: the only one.
            output_name: Which output of an op. Default: ``result``.
            partition_key: Which partition, where the run has several. Default: the run's.

        Returns:
            A `doc_io.Document` to return as it is; ``None`` where there is none and the text has to be made.
        """
        output = body_output_info(context, asset_key, output_name)
        partition = partition_of(context, partition_key)
        wanted = Document("", template_id=template_id, model_id=model_id, identifiers=identifiers)
        task_id = output.task_of(partition)
        key = logical_key_id(completed(wanted, output, partition, {}, store=self.store), output.stage, task_id)
        return find_reusable(self.store, output, key, task_id, prompt)

    def _keep(
        self,
        context: AssetExecutionContext | OpExecutionContext,
        output: OutputInfo,
        partition: str | None,
        document: Document,
    ) -> None:
        filing = Filing(
            prompt_copy=True, stages=None, experiment=self.experiment, defaults={}, spool=self.spool or None
        )
        [row] = filing.save(self.store, output, {partition: document}, {})
        context.log.error(f"{output.label(partition)}: what there was is kept as {row.doc_id} in {row.doc_dir}")
        if output.asset_key is not None:
            metadata = metadata_of(self.store, row, document.raw, preview_chars=500)
            # Not context.log_event: Dagster drops what a body logs when the body raises.
            observation = observation_of(output.asset_key, partition, row, metadata)
            DagsterEvent.asset_observation(context.get_step_execution_context(), observation)
