"""The client obstore beside fsspec's own: asked for and never guessed, the same objects, its options and what it refuses."""

from __future__ import annotations

import multiprocessing
import secrets
from collections.abc import Iterator
from typing import Any

import pytest

from doc_io.document import Document
from doc_io.errors import ConfigurationError, StorageError
from doc_io.ids import path_segment
from doc_io.storage.base import DocumentExistsError, Storage
from doc_io.storage.open import open_storage
from doc_io.store import DocumentStore
from tests.servers.counting import Counter, counting
from tests.servers.s3 import REGION, S3
from tests.storage.contract import KEYS, RECORD


@pytest.fixture
def root(s3_server: S3) -> str:
    """A docs root that nothing was written to."""
    return f"{s3_server.root}/{secrets.token_hex(4)}"


@pytest.fixture
def both(s3_server: S3, root: str) -> list[Storage]:
    """One docs root, by fsspec's client and by obstore."""
    return [open_storage(root, s3_server.storage_options | {"client": client}) for client in ("fsspec", "obstore")]


@pytest.fixture
def in_its_own_names(s3_server: S3) -> dict[str, Any]:
    """What obstore calls its options."""
    return {
        "client": "obstore",
        "access_key_id": s3_server.key,
        "secret_access_key": s3_server.secret,
        "endpoint": s3_server.endpoint,
        "region": REGION,
    }


@pytest.fixture
def agents(s3_server: S3, monkeypatch: pytest.MonkeyPatch) -> Iterator[Counter]:
    """A counter before the server; both clients are told of it and of the keys by the environment alone."""
    with counting(s3_server.endpoint) as counter:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", s3_server.key)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", s3_server.secret)
        monkeypatch.setenv("AWS_ENDPOINT_URL", counter.endpoint)
        monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
        yield counter


def test_both_clients_write_and_read_the_same_objects(both: list[Storage]) -> None:
    """Whatever the name; so a store may be written by one and read by the other."""
    for writer, reader in (both, reversed(both)):
        for number, key in enumerate(KEYS):
            folder = f"{path_segment(key)}/key/{id(writer)}"
            writer.create(folder, {f"extras/{number}": key.encode(), RECORD: b"{}"})

            assert reader.read(f"{folder}/extras/{number}") == key.encode()
            with pytest.raises(DocumentExistsError):
                reader.create(folder, {RECORD: b"other"})


def test_the_environment_is_enough(root: str, agents: Counter) -> None:
    """Keys, endpoint and region, in the names that every client of S3 knows."""
    storage = open_storage(root, {"client": "obstore"})

    storage.create("draft/key/doc", {RECORD: b"{}"})

    assert storage.read(f"draft/key/doc/{RECORD}") == b"{}"
    assert agents.methods() == {"GET": 1, "PUT": 1}


def test_the_client_is_obstore_only_where_it_was_asked_for(root: str, agents: Counter) -> None:
    """An installed package alone changes nothing."""
    for options, agent in (
        ({}, "Botocore"),
        ({"client": "fsspec"}, "Botocore"),
        ({"client": "obstore"}, "object_store"),
    ):
        agents.clear()

        assert open_storage(root, options).names("nothing") == []

        assert all(agent in each for each in agents.agents)


def test_options_may_have_its_own_names(root: str, in_its_own_names: dict[str, Any]) -> None:
    """A `UPath` is opened by fsspec all the same, which gets them in its own."""
    storage = open_storage(root, in_its_own_names)

    storage.create("draft/key/doc", {RECORD: b"{}"})

    assert storage.read(f"draft/key/doc/{RECORD}") == b"{}"
    assert (storage.upath("draft/key/doc") / RECORD).read_bytes() == b"{}"


@pytest.mark.parametrize("option", ["nonesuch", "use_listings_cache", "bucket", "prefix"])
def test_an_option_that_it_does_not_know_is_refused(root: str, in_its_own_names: dict[str, Any], option: str) -> None:
    """The error names the option, and nothing of the others."""
    storage = open_storage(root, in_its_own_names | {option: "hidden"})

    with pytest.raises(ConfigurationError, match=option) as refused:
        storage.read("draft/key/doc/raw.txt")

    assert "hidden" not in str(refused.value)
    assert in_its_own_names["secret_access_key"] not in str(refused.value)


@pytest.mark.parametrize(
    ("place", "client"),
    [
        ("gs://bucket", "obstore"),
        ("sftp://host/docs", "obstore"),
        ("memory://docs", "obstore"),
        ("s3://bucket", "boto"),
    ],
)
def test_a_client_that_is_none_of_this_root_is_refused(place: str, client: str) -> None:
    """At once, and with the list of what there is."""
    with pytest.raises(ConfigurationError, match="besides fsspec there is only obstore, and that for s3://"):
        open_storage(place, {"client": client})


def test_an_error_of_a_store_by_obstore_holds_no_secret(in_its_own_names: dict[str, Any], tmp_path: Any) -> None:
    """Neither the store's repr nor what is raised where nobody has such a key."""
    options = in_its_own_names | {"access_key_id": "AKIANOBODY"}
    with DocumentStore("s3://documents/x", tmp_path / "db.sqlite", storage_options=options) as store:
        with pytest.raises(StorageError) as refused:
            store.save(Document("text"), stage="draft", task_id="t")

        said = f"{refused.value} {refused.value!r} {vars(refused.value)} {store!r} {store.storage!r}"
    assert in_its_own_names["secret_access_key"] not in said
    assert "Debug" not in said


def test_upkeep_sees_what_both_clients_wrote(both: list[Storage]) -> None:
    """Lengths, names and times of folders; a removed one is gone for both."""
    ours, other = both
    for number, storage in enumerate(both):
        storage.create(f"draft/key/doc{number}", {"extras/a": b"text", RECORD: b"{}"})

    found = [(each.path, dict(each.files)) for each in other.folders()]

    assert found == [(each.path, dict(each.files)) for each in ours.folders()]
    assert found == [(f"draft/key/doc{number}", {"extras/a": 4, RECORD: 2}) for number in range(2)]
    assert abs(other.folder("draft/key/doc0").modified - ours.folder("draft/key/doc0").modified) < 1
    other.remove("draft/key/doc0")
    assert ours.folder("draft/key/doc0").files == {}


@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
def test_a_forked_process_is_refused_at_once(s3_server: S3, root: str) -> None:
    """It would hang for ever; the error says what to do instead."""
    storage = open_storage(root, s3_server.storage_options | {"client": "obstore"})
    storage.create("draft/key/doc", {RECORD: b"{}"})
    fork = multiprocessing.get_context("fork")
    answers = fork.SimpleQueue()

    def read() -> None:
        try:
            storage.read(f"draft/key/doc/{RECORD}")
        except ConfigurationError as error:
            answers.put(str(error))

    child = fork.Process(target=read)
    child.start()
    child.join(60)

    assert child.exitcode == 0
    assert "forked from one that has used it" in answers.get()
