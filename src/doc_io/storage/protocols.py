"""What is known of the stores behind each URL scheme: declared, and proven by the tests, never guessed."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from typing import Any

from doc_io.errors import ConfigurationError
from doc_io.storage.base import Capabilities
from doc_io.storage.client import MAX_CONNECTIONS, Client
from doc_io.storage.listing import Pages, azure_pages, gcs_pages, obstore_pages, s3_pages

FSSPEC, OBSTORE = "fsspec", "obstore"
"""The clients that a docs root may be spoken to with."""

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/]*)")
_SECRET_NAME = re.compile(r"key|secret|token|pass|cred|sas|connection|auth", re.IGNORECASE)
_USER_INFO = re.compile(r"//[^/\s@]+@")
_QUERY = re.compile(r"\?[^\s'\"]+")


@dataclass(frozen=True)
class Protocol:
    """One kind of store.

    Attributes:
        capabilities: What it can do.
        client: Module and class of its file system. Default: whatever fsspec has for the scheme.
        extra: The extra of doc_io that installs the client. Default: none.
        folders: Whether it has folders that are made and renamed, and files that are seen while they are written.
        options: What its file system is made with beside the user's options, which win; given the time-out of a call, so
            that the client's own limits are no longer.
        create: Arguments of a write that must not overwrite.
        read: Arguments of a read that must be a single request.
        container_at_account: Whether ``container@account`` is how it names places, and no user name.
        pages: How its objects are listed by prefix; ``None`` where it has folders.
        by_obstore: Whether obstore is the client, and fsspec's own only opens a `UPath`.
    """

    capabilities: Capabilities
    client: str = ""
    extra: str = ""
    folders: bool = False
    options: Callable[[float], Mapping[str, Any]] = lambda _timeout: {}
    create: Mapping[str, Any] = field(default_factory=dict)
    read: Mapping[str, Any] = field(default_factory=dict)
    container_at_account: bool = False
    pages: Pages | None = None
    by_obstore: bool = False

    def open(self, root: str, options: Mapping[str, Any], timeout: float) -> Client:
        """The client of a docs root, for this process.

        Args:
            root: The docs root.
            options: The user's options of the file system.
            timeout: Seconds that one call may take.
        """
        if self.by_obstore:
            from doc_io.storage.obstore_client import open_client  # noqa: PLC0415 - an extra

            return Client(*open_client(root, options, timeout), timeout)
        cls: Any
        if self.client:
            module, _, name = self.client.partition(":")
            cls = getattr(importlib.import_module(module), name)
        else:
            from fsspec import get_filesystem_class  # noqa: PLC0415 - fsspec is for those who leave the local disk

            cls = get_filesystem_class(root.partition("://")[0])
        named = cls._get_kwargs_from_urls(root)
        filesystem = cls(**_merged(self.options(timeout), {**named, **options}), skip_instance_cache=True)
        return Client(filesystem, str(cls._strip_protocol(root)).rstrip("/"), timeout)

    def for_upath(self, options: Mapping[str, Any]) -> Mapping[str, Any]:
        """The options of a `UPath`, which fsspec opens whatever the client."""
        if self.by_obstore:
            from doc_io.storage.obstore_client import for_fsspec  # noqa: PLC0415 - an extra

            return for_fsspec(options)
        return options

    def reason(self, error: BaseException, options: Mapping[str, Any]) -> str:
        """What a client's error says, without any value of a secret option and without user names or queries in URLs."""
        said = str(error)
        for secret in sorted(_secrets(options), key=len, reverse=True):
            said = said.replace(secret, "***")
        said = _QUERY.sub("?***", _USER_INFO.sub("//***@", said)).rstrip(".")
        return f"{type(error).__name__}: {said}" if said else type(error).__name__


def protocol_of(root: str, client: str = FSSPEC) -> Protocol:
    """The kind of store of a docs root.

    Args:
        root: A URL.
        client: What speaks to it, ``fsspec`` or ``obstore``. Default: fsspec.

    Returns:
        What is known of it; of an unknown scheme nothing is taken for granted.

    Raises:
        ConfigurationError: The root holds credentials, a query or a chain, or its client is not installed or not known.
    """
    match = _URL.match(root)
    if match is None or "::" in root:
        raise ConfigurationError(
            setting=f"The docs root of {root.partition('::')[0].partition('://')[0]}",
            reason="only a single file system can hold documents; a chain keeps copies that go stale",
            hint="Give one URL, such as s3://bucket/folder.",
        )
    scheme, authority = match[1].lower(), match[2]
    protocol = _PROTOCOLS.get(scheme, _ANY)
    place = f"The docs root on {authority.rpartition('@')[2].partition('?')[0] or scheme}"  # never what may be a secret
    if "@" in authority and not (protocol.container_at_account and ":" not in authority):
        raise ConfigurationError(
            setting=place, reason="it names a user", hint="Give user and password in `storage_options`."
        )
    if "?" in root or "#" in root:
        raise ConfigurationError(
            setting=place, reason="it has a query", hint="Give keys, tokens and the like in `storage_options`."
        )
    if client != FSSPEC:
        protocol = _by_obstore(scheme, client, root)
    module = protocol.client.partition(":")[0].partition(".")[0]
    if module and find_spec(module) is None:
        raise ConfigurationError(
            setting=f"The docs root {root}",
            reason=f"the package {module} is not installed",
            hint=f"pip install 'doc-io[{protocol.extra}]'",
        )
    if not module:
        _check_known(scheme, root)
    return protocol


def _by_obstore(scheme: str, client: str, root: str) -> Protocol:
    if client != OBSTORE or scheme not in _BY_OBSTORE:
        schemes = ", ".join(f"{each}://" for each in _BY_OBSTORE)
        raise ConfigurationError(
            setting=f"The client {client} of {root}",
            reason=f"besides fsspec there is only {OBSTORE}, and that for {schemes}",
            hint="Leave `client` out of storage_options.",
        )
    return _BY_OBSTORE[scheme]


def _check_known(scheme: str, root: str) -> None:
    from fsspec.registry import available_protocols  # noqa: PLC0415 - fsspec is for those who leave the local disk

    if scheme not in available_protocols():
        raise ConfigurationError(
            setting=f"The docs root {root}", reason=f"fsspec knows no {scheme}", hint="Give a path or another URL."
        )


def _secrets(options: Mapping[str, Any]) -> Iterator[str]:
    for name, value in options.items():
        if isinstance(value, Mapping):
            yield from _secrets(value)
        elif isinstance(value, str) and value and _SECRET_NAME.search(name):
            yield value


def _merged(defaults: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Both, the given ones first; options within an option (``config_kwargs``) likewise."""
    inner = {
        name: {**default, **given[name]}
        for name, default in defaults.items()
        if isinstance(default, Mapping) and isinstance(given.get(name), Mapping)
    }
    return {**defaults, **given, **inner}


_CREATE = {"mode": "create"}
_FRESH = {"use_listings_cache": False}  # the default hides what other processes wrote and shows what they removed
_OBJECTS = Capabilities(atomic_create=True, atomic_document=False, durable=True, whole_files=True)
_NOTHING = Capabilities(atomic_create=False, atomic_document=False, durable=False, whole_files=False)


def _s3_options(timeout: float) -> Mapping[str, Any]:
    # botocore's pool has 10 connections by default, and further requests, also of other threads, wait for one.
    limits = {"connect_timeout": timeout / 2, "read_timeout": timeout / 2, "max_pool_connections": MAX_CONNECTIONS}
    return {**_FRESH, "config_kwargs": limits}


def _gcs_options(timeout: float) -> Mapping[str, Any]:
    return {**_FRESH, "requests_timeout": timeout / 2}


def _azure_options(timeout: float) -> Mapping[str, Any]:
    return {**_FRESH, "connection_timeout": timeout / 2, "read_timeout": timeout / 2}


def _sftp_options(timeout: float) -> Mapping[str, Any]:
    return {"timeout": timeout, "connect_timeout": timeout, "login_timeout": timeout}


_ANY = Protocol(_NOTHING, folders=True)
_S3 = Protocol(
    # Conditional writes and strong consistency: docs.aws.amazon.com/AmazonS3, "Conditional writes". A store that speaks
    # S3 and ignores If-None-Match is still safe: `DocumentStore.save` asks the index first.
    _OBJECTS,
    client="s3fs:S3FileSystem",
    extra="s3",
    options=_s3_options,
    create=_CREATE,
    read={"max_concurrency": 1},  # else a HEAD for the size comes before each GET
    pages=s3_pages,
)
_GCS = Protocol(
    # Preconditions (ifGenerationMatch=0): cloud.google.com/storage/docs/request-preconditions.
    _OBJECTS,
    # Not the class fsspec would take: that one asks for each bucket's layout first, a request that may hang for a minute.
    client="gcsfs.core:GCSFileSystem",
    extra="gcs",
    options=_gcs_options,
    create=_CREATE,
    pages=gcs_pages,
)
_AZURE = Protocol(
    # If-None-Match: learn.microsoft.com/azure/storage/blobs/concurrency-manage.
    _OBJECTS,
    client="adlfs:AzureBlobFileSystem",
    extra="azure",
    options=_azure_options,
    create=_CREATE,
    container_at_account=True,
    pages=azure_pages,
)
_SFTP = Protocol(_NOTHING, client="sshfs:SSHFileSystem", extra="sftp", folders=True, options=_sftp_options)
_MEMORY = Protocol(_NOTHING, folders=True)

_PROTOCOLS: dict[str, Protocol] = {
    **dict.fromkeys(("s3", "s3a"), _S3),
    **dict.fromkeys(("gs", "gcs"), _GCS),
    **dict.fromkeys(("az", "abfs", "abfss"), _AZURE),
    **dict.fromkeys(("sftp", "ssh"), _SFTP),
    "memory": _MEMORY,
}

_BY_OBSTORE: dict[str, Protocol] = {
    # Of its requests to GCS nothing could be proven here: the emulator does not know the API that they use.
    scheme: replace(
        _PROTOCOLS[scheme], client="obstore", extra="obstore", by_obstore=True, read={}, pages=obstore_pages
    )
    for scheme in ("s3", "s3a", "az", "abfs", "abfss")
}
