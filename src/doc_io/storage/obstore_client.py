"""S3 and Azure by obstore's own API: the calls of fsspec that a remote storage makes, answered by a client written in Rust.

Its adapter to fsspec is not used: it overwrites where it should only create.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

import obstore
from obstore import exceptions
from obstore.store import AzureStore, S3Store

from doc_io.errors import ConfigurationError
from doc_io.storage.client import MAX_CONNECTIONS

if TYPE_CHECKING:
    from obstore import ObjectMeta
    from obstore.store import ObjectStore

_MAX_RETRIES = 8

_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT", "AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT")
_OF_OBSTORE_ALONE = frozenset({"client_options", "retry_config", "credential_provider"})
_PLACES = frozenset({"bucket", "bucket_name", "container_name", "prefix"})
_CONNECTION_STRING = {
    "AccountName": "account_name",
    "AccountKey": "account_key",
    "BlobEndpoint": "endpoint",
    "SharedAccessSignature": "sas_key",
}

NAMES: Mapping[str, str] = {
    "key": "access_key_id",
    "secret": "secret_access_key",
    "token": "session_token",
    "endpoint_url": "endpoint",
    "region_name": "region",
    "anon": "skip_signature",
    "sas_token": "sas_key",
}
"""Options of s3fs and adlfs to obstore's names for them. All others that both know have one name."""

_CODE = re.compile(r"<Code>(\w+)</Code>\s*<Message>([^<\r\n]*)")
_NO_BUCKET = frozenset({"NoSuchBucket", "ContainerNotFound"})


class ObstoreClient:
    """A bucket or a container. Paths begin with its name, as those of fsspec's file systems do.

    Args:
        store: obstore's own object for it.

    Attributes:
        async_impl: What fsspec's file systems say of themselves. These calls wait, and let other threads run.
        pool: The threads that make calls side by side.
    """

    async_impl = False

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self.pool = ThreadPoolExecutor(MAX_CONNECTIONS, "doc_io obstore")

    def pipe_file(self, path: str, data: bytes, mode: Literal["create", "overwrite"] = "overwrite") -> None:
        """One PUT, however long the data is: parts can not be refused together because of what is there already."""
        with _translate_errors():
            obstore.put(self._store, _key(path), data, mode=mode, use_multipart=False)

    def cat_file(self, path: str) -> bytes:
        """One GET."""
        with _translate_errors():
            return bytes(obstore.get(self._store, _key(path)).bytes())

    def pages(self, prefix: str, after: str, size: int) -> Iterator[Sequence[ObjectMeta]]:
        """All objects whose names begin with a prefix, in pages of ``size``, in the order of their names; see `Pages`."""
        folder, _, start = _key(prefix).rpartition("/")
        offset = _key(prefix) if start else _key(after) if after else None
        # obstore takes a prefix of whole segments only; it can begin behind a name, which no object here has.
        with _translate_errors():
            for page in obstore.list(self._store, folder or None, offset=offset, chunk_size=size):
                begun = [each for each in page if each["path"].startswith(_key(prefix))]
                yield begun
                if len(begun) < len(page):
                    return

    def ls(self, path: str, *, detail: bool = True) -> list[Mapping[str, Any]]:  # noqa: ARG002 - fsspec's name
        """The entries of a folder."""
        bucket = path.partition("/")[0]
        with _translate_errors():
            found = obstore.list_with_delimiter(self._store, _key(path) or None)
        folders = [{"name": f"{bucket}/{each}", "size": 0, "type": "directory"} for each in found["common_prefixes"]]
        return [*folders, *(_entry(bucket, each) for each in found["objects"])]

    def cp_file(self, old: str, new: str) -> None:
        """Copy an object, inside the store."""
        with _translate_errors():
            obstore.copy(self._store, _key(old), _key(new))

    def rm_file(self, path: str) -> None:
        """Remove an object; of one that is not there only some stores say so."""
        with _translate_errors():
            obstore.delete(self._store, _key(path))


def open_client(root: str, options: Mapping[str, Any], timeout: float) -> tuple[ObstoreClient, str]:
    """The client of a docs root, and the root as it calls it.

    Args:
        root: The docs root, of S3 or Azure.
        options: In obstore's own names, or in those of s3fs and adlfs.
        timeout: Seconds that one call may take: half of it for a request, half for retries.

    Raises:
        ConfigurationError: obstore does not know an option, or cannot be used in this process.
    """
    if _first_process() != os.getpid():
        # The runtime below obstore ends with the threads that a fork leaves behind; a call would wait for ever.
        raise ConfigurationError(
            setting=f"The client obstore of {root}",
            reason="this process was forked from one that has used it",
            hint="Start processes with `spawn` or `forkserver`, or leave `client` out of storage_options.",
        )
    scheme, _, place = root.rstrip("/").partition("://")
    authority, slash, folder = place.partition("/")
    bucket, _, account = authority.partition("@")
    chosen = _renamed(root, {"account_name": account.partition(".")[0], **options} if account else options)
    client, retries = chosen.pop("client_options", {}), chosen.pop("retry_config", {})
    endpoints = [str(chosen.get("endpoint", "")), *(os.environ.get(name, "") for name in _ENDPOINTS)]
    plain = any(
        endpoint.startswith("http://") for endpoint in endpoints
    )  # who says so means it; s3fs does not ask again
    half = timedelta(seconds=timeout / 2)
    store: Any = AzureStore if scheme.startswith(("az", "abfs")) else S3Store
    try:
        opened = store(
            bucket,
            client_options={"connect_timeout": half, "timeout": half, "allow_http": plain, **client},
            retry_config={"max_retries": _MAX_RETRIES, "retry_timeout": half, **retries},
            **chosen,
        )
    except exceptions.UnknownConfigurationKeyError as error:
        raise _refused(root, _short(error)) from None
    return ObstoreClient(opened), f"{bucket}{slash}{folder}"


def for_fsspec(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options in the words of s3fs and adlfs, which open a `UPath`."""
    theirs = {name: fsspec_name for fsspec_name, name in NAMES.items()}
    said = {theirs.get(name, name): value for name, value in options.items() if name not in _OF_OBSTORE_ALONE}
    if "region_name" in said:
        said["client_kwargs"] = {**said.get("client_kwargs", {}), "region_name": said.pop("region_name")}
    return said


@cache
def _first_process() -> int:
    """The process that used obstore first; a forked one inherits the answer."""
    return os.getpid()


def _renamed(root: str, options: Mapping[str, Any]) -> dict[str, Any]:
    said = {name: value for name, value in options.items() if name != "client_kwargs"}
    said |= options.get("client_kwargs", {})
    said |= _of_connection_string(root, said.pop("connection_string", ""))
    if wrong := _PLACES & said.keys():
        raise _refused(root, f"{min(wrong)} is what the docs root says")
    return {NAMES.get(name, name): value for name, value in said.items()}


def _of_connection_string(root: str, text: str) -> dict[str, str]:
    """The parts of what Azure shows as a connection string."""
    parts = dict(part.partition("=")[::2] for part in text.split(";") if part)
    scheme, suffix = parts.pop("DefaultEndpointsProtocol", "https"), parts.pop("EndpointSuffix", "")
    if suffix:
        parts.setdefault("BlobEndpoint", f"{scheme}://{parts.get('AccountName')}.blob.{suffix}")
    if unknown := parts.keys() - _CONNECTION_STRING.keys():
        raise _refused(root, f"the connection string has {min(unknown)}")
    return {_CONNECTION_STRING[name]: value for name, value in parts.items()}


def _refused(root: str, reason: str) -> ConfigurationError:
    return ConfigurationError(
        setting=f"A storage option of {root}",
        reason=reason,
        hint="Give the options that obstore documents, or leave `client` out and give those of fsspec.",
    )


def _key(path: str) -> str:
    return path.partition("/")[2]


def _entry(bucket: str, found: ObjectMeta) -> dict[str, Any]:
    name = f"{bucket}/{found['path']}"
    return {"name": name, "size": found["size"], "type": "file", "LastModified": found["last_modified"]}


@contextmanager
def _translate_errors() -> Iterator[None]:
    """Raise errors of obstore as fsspec's clients do: Python's own, short."""
    try:
        yield
    except (FileNotFoundError, exceptions.BaseError) as error:
        raise _kind(error)(_short(error)) from None


def _kind(error: Exception) -> type[OSError]:
    if _has_timed_out(error):
        return TimeoutError
    if isinstance(error, (exceptions.AlreadyExistsError, exceptions.PreconditionError)):
        return FileExistsError
    if isinstance(error, (exceptions.PermissionDeniedError, exceptions.UnauthenticatedError)):
        return PermissionError
    code = _CODE.search(str(error))
    if isinstance(error, FileNotFoundError) and not (code and code[1] in _NO_BUCKET):
        return FileNotFoundError
    return OSError


def _has_timed_out(error: Exception) -> bool:
    return "TimedOut" in str(error).partition("\n\nDebug source:")[2]


def _short(error: Exception) -> str:
    """What the server said, or what happened on the way to it; obstore adds a page for those who debug obstore."""
    if _has_timed_out(error):
        return "no answer in time"
    said = str(error).partition("\n\nDebug source:")[0].strip()
    code = _CODE.search(said)
    return f"{code[2]} ({code[1]})" if code else said.rstrip(".")
