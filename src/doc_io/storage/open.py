"""Opens the storage of a docs root, a path or a URL."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from doc_io.errors import ConfigurationError
from doc_io.storage.local import LocalStorage

if TYPE_CHECKING:
    from doc_io.storage.base import Storage

OPTIONS_VARIABLE = "DOC_IO_STORAGE_OPTIONS"
"""The environment variable that gives the command line a docs root's storage options, as JSON."""

_PROTOCOL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)(://|::)")


def open_storage(docs_root: str | os.PathLike[str], storage_options: Mapping[str, Any] | None = None) -> Storage:
    """The storage of a docs root.

    Args:
        docs_root: A path, relative ones from the working directory, or a URL that fsspec knows.
        storage_options: Handed to the client, which ``client`` chooses: ``fsspec`` or ``obstore``. Default: none, to
            fsspec.

    Returns:
        The storage; nothing was read or written yet.

    Raises:
        ConfigurationError: The root cannot be used.
    """
    path = os.fspath(docs_root)
    if not path:
        raise ConfigurationError(setting="The docs root", reason="it is empty", hint="Give a path, such as data/docs.")
    protocol = _PROTOCOL.match(path)
    if protocol is None:
        return LocalStorage(os.path.expanduser(path))
    if protocol[1] in ("file", "local"):
        return LocalStorage(path[protocol.end() :])
    from doc_io.storage.remote import RemoteStorage  # noqa: PLC0415 - asyncio is for those who leave the local disk

    return RemoteStorage(path, storage_options)
