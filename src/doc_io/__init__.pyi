# Read by type checkers, and by lazy_loader, which imports each name when it is first asked for.

from .dagster.check_jobs import (
    build_document_checks_job as build_document_checks_job,
    build_document_checks_sensor as build_document_checks_sensor,
)
from .dagster.checks import (
    build_document_checks as build_document_checks,
)
from .dagster.component import (
    DocumentStoreComponent as DocumentStoreComponent,
)
from .dagster.io_manager import (
    DocDirIOManager as DocDirIOManager,
)
from .dagster.report_assets import (
    documents_consistency_report as documents_consistency_report,
    documents_latest_report as documents_latest_report,
)
from .dagster.resource import (
    DocumentsIndex as DocumentsIndex,
)
from .dagster.rollout import (
    RolloutIOManager as RolloutIOManager,
)
from .dagster.upkeep_job import (
    build_upkeep_job as build_upkeep_job,
)
from .dagster.settings import (
    ParentStore as ParentStore,
)
from .dagster.versioned_io_manager import (
    VersionedTextIOManager as VersionedTextIOManager,
)
from .document import (
    Document as Document,
    DocumentRow as DocumentRow,
    DocumentsByPartition as DocumentsByPartition,
    Parent as Parent,
    Status as Status,
    Usage as Usage,
)
from .errors import (
    CommitUnknownError as CommitUnknownError,
    ConfigurationError as ConfigurationError,
    DamagedDocumentError as DamagedDocumentError,
    DocIOError as DocIOError,
    DocumentNotFoundError as DocumentNotFoundError,
    IndexAccessError as IndexAccessError,
    IndexBusyError as IndexBusyError,
    IndexFormatError as IndexFormatError,
    IndexReadOnlyError as IndexReadOnlyError,
    IndexVersionError as IndexVersionError,
    InvalidDocumentError as InvalidDocumentError,
    MissingTextError as MissingTextError,
    StorageError as StorageError,
    StoreMismatchError as StoreMismatchError,
    UnknownDocumentError as UnknownDocumentError,
    UnknownStageError as UnknownStageError,
    UnknownStatusError as UnknownStatusError,
    UnknownTaskError as UnknownTaskError,
)
from .ids import (
    compute_logical_key_id as compute_logical_key_id,
    new_doc_id as new_doc_id,
)
from .index.base import (
    Filter as Filter,
)
from .maintenance.prune import (
    Policy as Policy,
)
from .parsers import (
    register_parser as register_parser,
)
from .reading import (
    StoredDocument as StoredDocument,
)
from .store import (
    DocumentStore as DocumentStore,
)
from .task_table import (
    Task as Task,
    TaskTable as TaskTable,
)
from .writing.draft import (
    Origin as Origin,
)

__all__: list[str]
