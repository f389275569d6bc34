"""What remote docs roots cost, refuse and say; against servers that count, refuse and do not answer."""

from __future__ import annotations

import pickle
import secrets
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest

from doc_io.document import Document
from doc_io.errors import ConfigurationError, StorageError
from doc_io.storage.client import MAX_REQUESTS
from doc_io.storage.open import open_storage
from doc_io.store import DocumentStore
from tests.canaries import canary
from tests.servers.counting import Counter, counting
from tests.servers.gcs import GCS
from tests.servers.s3 import S3
from tests.servers.sftp import SFTP


@pytest.fixture(scope="module")
def counter(s3_server: S3) -> Iterator[Counter]:
    """A counting proxy before the S3 server."""
    with counting(s3_server.endpoint) as counter:
        yield counter


@pytest.fixture(params=["fsspec", "obstore"])
def client(request: pytest.FixtureRequest) -> dict[str, Any]:
    """The option that chooses the client; what is said of one holds for both."""
    return {"client": request.param}


@pytest.fixture
def store(s3_server: S3, counter: Counter, client: dict[str, Any], tmp_path: Any) -> Iterator[DocumentStore]:
    """Documents on S3, by way of the counter; their index on this disk."""
    root = f"{s3_server.root}/{secrets.token_hex(4)}"
    options = s3_server.options_at(counter.endpoint) | client
    with DocumentStore(root, tmp_path / "db.sqlite", storage_options=options) as store:
        store.save("the first", stage="first", task_id="t")  # gives the root its id
        counter.clear()
        yield store


def test_saving_a_document_is_one_put_for_each_file(store: DocumentStore, counter: Counter) -> None:
    """No HEAD, no LIST, no folder, once the store has its id."""
    document = Document("raw", parsed="parsed", prompt="prompt", extras={"note": "extra"})

    row = store.save(document, stage="essay", task_id="a")

    folder = f"/documents/{store.docs_root.rpartition('/')[2]}/{row.doc_dir}"
    assert sorted(counter.requests) == [
        ("PUT", f"{folder}/{name}") for name in ("extras/note", "metadata.json", "parsed.txt", "prompt.txt", "raw.txt")
    ]


def test_the_files_of_a_document_are_sent_at_once(store: DocumentStore, counter: Counter) -> None:
    """A document takes as long as its slowest file."""
    store.save(Document("raw", extras={f"{n}": "x" * 10_000 for n in range(20)}), stage="essay", task_id="a")

    assert counter.most_at_once > 3


def test_loading_a_document_is_one_get(store: DocumentStore, counter: Counter) -> None:
    """Its row is in the index; its size need not be asked for."""
    row = store.save("text", stage="essay", task_id="a")
    counter.clear()

    assert store.read(row) == "text"

    assert counter.methods() == {"GET": 1}


def test_loading_many_documents_is_one_get_each_with_a_bound(store: DocumentStore, counter: Counter) -> None:
    """At once, and never more than 32."""
    rows = [store.save(f"text {n}", stage="essay", task_id=f"t{n}") for n in range(60)]
    counter.clear()

    texts = store.read_many(rows)

    assert list(texts.values()) == [f"text {n}" for n in range(60)]
    assert counter.methods() == {"GET": 60}
    assert counter.most_at_once <= MAX_REQUESTS


@pytest.mark.parametrize("kind", ["s3fs", "obstore", "gcsfs"])
def test_as_many_requests_as_the_docs_say_are_under_way_at_once(kind: str, s3_server: S3, gcs_server: GCS) -> None:
    """32, counted at the server, of reads and of writes: no client's own pool makes it fewer."""
    server: S3 | GCS = gcs_server if kind == "gcsfs" else s3_server
    with counting(server.endpoint, seconds=0.2) as slow:
        options = server.storage_options | {"endpoint_url": slow.endpoint}
        options |= {"client": "obstore"} if kind == "obstore" else {}
        storage = open_storage(f"{server.root}/{secrets.token_hex(4)}", options)
        documents = {f"a/b/{n}": {"metadata.json": b"{}"} for n in range(100)}

        storage.create_many(documents)
        writes, slow.most_at_once = slow.most_at_once, 0
        found = list(storage.read_many(f"{name}/metadata.json" for name in documents))

        assert found == [b"{}"] * 100
        assert (writes, slow.most_at_once) == (MAX_REQUESTS, MAX_REQUESTS)


def test_the_same_attempt_again_is_the_same_document(store: DocumentStore) -> None:
    """Nothing is written and nothing changes."""
    first = store.save("text", stage="essay", task_id="a", attempt="1")

    assert store.save("text", stage="essay", task_id="a", attempt="1") == first
    assert store.history("essay", "a") == [first]


def test_what_a_dead_writer_left_is_finished_by_the_same_attempt(
    store: DocumentStore, s3_server: S3, tmp_path: Any
) -> None:
    """Some objects are there, one of them another's; the attempt sent again makes them one document, and keeps the other."""
    row = store.save("text", stage="essay", task_id="a", attempt="1")
    root = f"{store.docs_root}/elsewhere"

    with DocumentStore(root, tmp_path / "other.sqlite", storage_options=s3_server.storage_options) as second:
        second.save("the first", stage="first", task_id="t")  # gives the root its id
        # Who writes the same content gets the same id; half of it, and a file that is another's.
        open_storage(root, s3_server.storage_options).create(row.doc_dir, {"raw.txt": b"te"})
        again = second.save("text", stage="essay", task_id="a", attempt="1")

        assert second.read(again) == "text"
        folders = second.resolve_doc_dir(again).parent.iterdir()
        assert sum(path.name.startswith(".torn-") for path in folders) == 1


@pytest.mark.parametrize(
    ("kind", "options"),
    [(kind, {}) for kind in ("s3", "careless s3", "gcs", "sftp")]
    + [(kind, {"client": "obstore"}) for kind in ("s3", "careless s3")],
)
def test_a_committed_document_never_changes(  # noqa: PLR0917 - each of the servers
    kind: str,
    options: dict[str, Any],
    s3_server: S3,
    careless_s3_server: S3,
    gcs_server: GCS,
    sftp_server: SFTP,
    tmp_path: Any,
) -> None:
    """Other content under the same attempt is another document, also where the store would overwrite."""
    servers: dict[str, S3 | GCS | SFTP] = {
        "s3": s3_server,
        "careless s3": careless_s3_server,
        "gcs": gcs_server,
        "sftp": sftp_server,
    }
    server = servers[kind]
    root = f"{server.root}/{secrets.token_hex(4)}"
    with DocumentStore(root, tmp_path / "db.sqlite", storage_options=server.storage_options | options) as store:
        row = store.save("first", stage="essay", task_id="a", attempt="1")

        other = store.save("second", stage="essay", task_id="a", attempt="1")

        assert (store.read(row), store.read(other)) == ("first", "second")
        assert store.save("first", stage="essay", task_id="a", attempt="1") == row


def test_wrong_credentials_are_one_error_without_them(s3_server: S3, client: dict[str, Any]) -> None:
    """It names the root and what the server said, at once."""
    secret = canary("wrong-s3")
    storage = open_storage(s3_server.root, s3_server.storage_options | {"secret": secret} | client)

    with pytest.raises(StorageError, match="s3://documents could not write a/b/c: PermissionError") as refused:
        storage.create("a/b/c", {"metadata.json": b"{}"})

    _holds_nothing_of(refused.value, secret, s3_server.secret)


def test_a_missing_bucket_is_one_error(s3_server: S3, client: dict[str, Any]) -> None:
    """Reading from it, too, says that it is the bucket and not the document that is missing."""
    storage = open_storage("s3://no-such-bucket/docs", s3_server.storage_options | client)

    with pytest.raises(
        StorageError, match=r"s3://no-such-bucket/docs could not write.*bucket does not exist"
    ) as refused:
        storage.create("a/b/c", {"metadata.json": b"{}"})
    with pytest.raises(StorageError, match=r"could not read a/b/c/raw.txt.*bucket does not exist"):
        storage.read("a/b/c/raw.txt")

    _holds_nothing_of(refused.value, s3_server.secret)


def test_after_a_failure_nothing_more_is_sent(s3_server: S3, counter: Counter, client: dict[str, Any]) -> None:
    """Of a hundred documents for a bucket that is not there, only those under way at the first refusal."""
    storage = open_storage("s3://no-such-bucket/docs", s3_server.options_at(counter.endpoint) | client)
    counter.clear()

    with pytest.raises(StorageError, match="bucket does not exist"):
        storage.create_many({f"a/b/{n}": {"metadata.json": b"{}"} for n in range(100)})

    assert counter.methods()["PUT"] < 80


def test_no_route_to_the_server_is_one_error_soon(s3_server: S3, client: dict[str, Any]) -> None:
    """Nobody listens: the client's own retries end after some seconds."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        options = s3_server.options_at(f"http://127.0.0.1:{nobody.getsockname()[1]}")
        storage = open_storage(s3_server.root, options | client)
        start = time.monotonic()
        with pytest.raises(StorageError, match="s3://documents could not write") as refused:
            storage.create("a/b/c", {"metadata.json": b"{}"})

    assert time.monotonic() - start < 60
    _holds_nothing_of(refused.value, s3_server.secret)


def test_a_wrong_password_of_sftp_is_one_error_without_it(sftp_server: SFTP) -> None:
    """The client's own error holds all options; ours none."""
    secret = canary("wrong-sftp")
    storage = open_storage(sftp_server.root, sftp_server.storage_options | {"password": secret})

    with pytest.raises(StorageError, match="could not open") as refused:
        storage.read("a/b/c/raw.txt")

    _holds_nothing_of(refused.value, secret)


@pytest.mark.parametrize(
    "root",
    [
        "s3://key:hidden@bucket/docs",
        "sftp://user:hidden@host/docs",
        "sftp://hidden@host/docs",
        "az://container/docs?sig=hidden",
        "abfs://container:hidden@account.dfs.core.windows.net/docs",
        "s3://bucket/docs#hidden",
        "simplecache::s3://bucket/hidden",
        "nonesuch://bucket/docs",
    ],
)
def test_a_root_with_credentials_or_a_chain_is_refused(root: str) -> None:
    """The message says where they belong, and does not repeat them."""
    with pytest.raises(ConfigurationError) as refused:
        open_storage(root)

    assert "hidden" not in str(refused.value)


def test_azure_names_its_account_where_others_name_a_user() -> None:
    """``container@account`` holds no credentials."""
    root = "abfss://container@account.dfs.core.windows.net/docs"

    assert open_storage(root).root == root


def test_a_store_with_secrets_cannot_be_pickled(s3_server: S3, tmp_path: Any) -> None:
    """A pickle would hold them; a process makes a store of its own."""
    root = f"{s3_server.root}/{secrets.token_hex(4)}"
    with DocumentStore(root, tmp_path / "db.sqlite", storage_options=s3_server.storage_options) as store:
        assert s3_server.secret not in f"{store!r} {store.storage!r} {vars(store)!r}"

        with pytest.raises(TypeError, match="pickle"):
            pickle.dumps(store)


def _holds_nothing_of(error: BaseException, *secret_texts: str) -> None:
    """Neither the error, nor its facts, nor a cause that would be shown with it."""
    assert error.__cause__ is None
    assert error.__suppress_context__
    for secret in secret_texts:
        assert secret not in f"{error!s} {error!r} {vars(error)!r}"


def test_an_index_of_one_machine_is_reported_once(
    s3_server: S3, tmp_path: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """A remote root with a SQLite file works, and says that others cannot see that file."""
    root = f"{s3_server.root}/{secrets.token_hex(4)}"
    for _ in range(3):
        with DocumentStore(root, tmp_path / "db.sqlite", storage_options=s3_server.storage_options):
            pass

    (told,) = (record.getMessage() for record in caplog.records if root in record.getMessage())
    assert "on this machine only" in told
    assert s3_server.secret not in told
