"""S3 and PostgreSQL: what doc_io adds to a bare client of the same server, and how the index grows on both engines.

The servers run on this machine: network time is none, and an S3 that is written in Python is the slowest part of it. The
ratios hold; the seconds are of this machine and no other.
"""

from __future__ import annotations

import asyncio
import itertools
import secrets
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg

from benchmarks.floors import COLUMNS, FOUR_FILES, TEXT, row
from benchmarks.ground import Setting
from benchmarks.measure import Contest, Lane, Timed, timed
from doc_io import Document, DocumentRow, DocumentStore, Origin
from doc_io.index.base import LATEST_OK
from doc_io.index.open import open_index
from doc_io.index.sql_index import Index
from tests.servers import s3
from tests.servers.postgres import Postgres, postgres

AT_ONCE = 32
FAN_IN = 1000
TASKS = 1000
_LATEST = (
    f"SELECT seq, {', '.join(COLUMNS)} FROM documents WHERE stage = %s AND task_id = %s AND status = 'ok'"  # noqa: S608 - constants
    " ORDER BY created_at DESC, seq DESC LIMIT 1"
)
INSERT = f"INSERT INTO documents ({', '.join(COLUMNS)}) VALUES ({', '.join(['%s'] * len(COLUMNS))})"  # noqa: S608 - constants

_numbers = itertools.count()


def contests(setting: Setting) -> Iterator[Contest]:
    """Objects by each client; rows against bare psycopg; look-ups on both engines as they grow."""
    folder = setting.folder / "servers"
    folder.mkdir()
    with s3.moto(folder) as server:
        yield from _objects(setting, server)
    # A safe server: commits are synced, as they are where it matters.
    with postgres({"fsync": "on", "shared_buffers": "512MB", "max_wal_size": "4GB"}) as server:
        yield from _rows(setting, server)


def _objects(setting: Setting, server: s3.S3) -> Iterator[Contest]:
    count = 50 if setting.short else FAN_IN
    bare = {"s3fs": S3FS(server), "obstore": Obstore(server)}
    clients = {"s3fs": "fsspec", "obstore": "obstore"}  # as the option calls them
    with ExitStack() as stack:
        stores = {
            name: stack.enter_context(
                DocumentStore(
                    f"{server.root}/fan-in",
                    setting.folder / "servers" / "s3.sqlite",
                    storage_options=server.storage_options | {"client": client},
                )
            )
            for name, client in clients.items()
        }
        documents = [(Document(TEXT), Origin(stage="essay", task_id=f"t{n}", attempt="1")) for n in range(count)]
        rows = stores["obstore"].save_many(documents)
        keys = [f"fan-in/{row.doc_dir}/raw.txt" for row in rows]
        many, one, new = [], [], []
        for name, store in stores.items():
            floor = f"{name} alone"
            many += [
                Lane(floor, bare[name].get_all(keys)),
                Lane(f"doc_io by {name}", _reading(store, rows), floor, goal=1.2),
            ]
            one += [
                Lane(floor, bare[name].get_each(keys)),
                Lane(f"doc_io by {name}", _loading(store, rows), floor, goal=1.2),
            ]
            new += [Lane(floor, bare[name].put_all()), Lane(f"doc_io by {name}", _saving(store), floor, goal=1.2)]
        many.append(Lane("s3fs, as it comes", bare["s3fs"].cat(keys), "s3fs alone", note="a HEAD before each GET"))
        rounds = min(setting.rounds, 5)
        yield Contest(f"{count:,} documents of 8 KB from S3, 32 at once, one GET each", many, rounds)
        yield Contest("a document of 8 KB from S3, one GET", one, setting.rounds * 2)
        yield Contest(
            "a document of four files to S3, create-only PUTs at once; doc_io's row in SQLite, too",
            new,
            setting.rounds * 2,
        )


def _reading(store: DocumentStore, rows: Sequence[DocumentRow]) -> Timed:
    def run() -> float:
        with timed(len(rows)) as watch:
            texts = store.read_many(rows)
        assert len(texts) == len(rows)
        return watch.per_operation

    return run


def _loading(store: DocumentStore, rows: Sequence[DocumentRow]) -> Timed:
    def run() -> float:
        row = rows[next(_numbers) % len(rows)]
        with timed() as watch:
            text = store.read(row)
        assert text == TEXT
        return watch.per_operation

    return run


def _saving(store: DocumentStore) -> Timed:
    def run() -> float:
        task = f"new-{next(_numbers)}"
        with timed() as watch:
            store.save(Document(TEXT, prompt="p", parsed=TEXT), stage="essay", task_id=task, attempt="1")
        return watch.per_operation

    return run


class S3FS:
    """The client that doc_io uses, without doc_io."""

    def __init__(self, server: s3.S3) -> None:
        from s3fs import S3FileSystem  # noqa: PLC0415 - only this lane needs it

        self._fs: Any = S3FileSystem(**server.storage_options, use_listings_cache=False)

    def list(self, folder: str) -> int:
        """How many objects are below a folder, asked for a thousand a page."""
        return len(self._fs.find(f"{s3.BUCKET}/{folder}"))

    def get_all(self, keys: Sequence[str]) -> Timed:
        """All objects, as fast as the client can with one request each."""

        async def get() -> None:
            limit = asyncio.Semaphore(AT_ONCE)

            async def one(key: str) -> bytes:
                async with limit:
                    data: bytes = await self._fs._cat_file(f"{s3.BUCKET}/{key}", max_concurrency=1)  # noqa: SLF001
                    return data

            found = await asyncio.gather(*map(one, keys))
            assert len(found) == len(keys)

        def run() -> float:
            with timed(len(keys)) as watch:
                asyncio.run_coroutine_threadsafe(get(), self._fs.loop).result()
            return watch.per_operation

        return run

    def get_each(self, keys: Sequence[str]) -> Timed:
        """One object, another one each time."""

        def run() -> float:
            key = f"{s3.BUCKET}/{keys[next(_numbers) % len(keys)]}"
            with timed() as watch:
                self._fs.cat_file(key, max_concurrency=1)
            return watch.per_operation

        return run

    def cat(self, keys: Sequence[str]) -> Timed:
        """All objects by the client's own bulk call."""

        def run() -> float:
            with timed(len(keys)) as watch:
                self._fs.cat([f"{s3.BUCKET}/{key}" for key in keys])
            return watch.per_operation

        return run

    def put_all(self) -> Timed:
        """The four files of a document, each only created."""

        async def put() -> None:
            folder = f"{s3.BUCKET}/bare/{secrets.token_hex(8)}"
            await asyncio.gather(
                *(self._fs._pipe_file(f"{folder}/{name}", data, mode="create") for name, data in FOUR_FILES.items())  # noqa: SLF001
            )

        def run() -> float:
            with timed() as watch:
                asyncio.run_coroutine_threadsafe(put(), self._fs.loop).result()
            return watch.per_operation

        return run


class Obstore:
    """The client written in Rust, by its own API."""

    def __init__(self, server: s3.S3) -> None:
        from obstore.store import S3Store  # noqa: PLC0415 - only this lane needs it

        self._store: Any = S3Store(
            s3.BUCKET,
            endpoint=server.endpoint,
            access_key_id=server.key,
            secret_access_key=server.secret,
            region=s3.REGION,
            virtual_hosted_style_request=False,
            client_options={"allow_http": True},
        )
        self._threads = ThreadPoolExecutor(AT_ONCE)

    def get_all(self, keys: Sequence[str]) -> Timed:
        """All objects, in threads: its coroutines are slower."""

        def run() -> float:
            with timed(len(keys)) as watch:
                found = list(self._threads.map(self._get, keys))
            assert len(found) == len(keys)
            return watch.per_operation

        return run

    def get_each(self, keys: Sequence[str]) -> Timed:
        """One object, another one each time."""

        def run() -> float:
            key = keys[next(_numbers) % len(keys)]
            with timed() as watch:
                self._get(key)
            return watch.per_operation

        return run

    def put_all(self) -> Timed:
        """The four files of a document, each only created."""

        def run() -> float:
            folder = f"bare/{secrets.token_hex(8)}"
            with timed() as watch:
                list(self._threads.map(lambda file: self._put(f"{folder}/{file[0]}", file[1]), FOUR_FILES.items()))
            return watch.per_operation

        return run

    def _get(self, key: str) -> bytes:
        return bytes(self._store.get(key).bytes())

    def _put(self, key: str, data: bytes) -> None:
        self._store.put(key, data, mode="create", use_multipart=False)


def _rows(setting: Setting, server: Postgres) -> Iterator[Contest]:
    with ExitStack() as stack:
        indexes: dict[str, Index] = {}
        for size in (one for one in setting.sizes if one >= 10_000 or (setting.short and one)):
            url = server.new_database()
            indexes[f"PostgreSQL, {size:,} rows"] = _filled(open_index("", url), size)
            sqlite = Path(setting.folder / "servers" / f"{size}.sqlite")
            indexes[f"SQLite, {size:,} rows"] = _filled(open_index(sqlite), size)
            bare = stack.enter_context(psycopg.connect(url, autocommit=True))
            ours = indexes[f"PostgreSQL, {size:,} rows"]
            yield _against_psycopg(setting, bare, ours, size)
        for index in indexes.values():
            stack.callback(index.close)
        for name, question in QUESTIONS.items():
            lanes = [Lane(engine, _asking(question, index)) for engine, index in indexes.items()]
            yield Contest(name, lanes, setting.rounds)


def _against_psycopg(setting: Setting, bare: psycopg.Connection[Any], ours: Index, size: int) -> Contest:
    def bare_insert() -> float:
        values = row(secrets.token_hex(8), f"bare-{next(_numbers)}")
        with timed() as watch, bare.transaction():
            bare.execute(INSERT, values)
        return watch.per_operation

    def bare_select() -> float:
        with timed() as watch:
            assert bare.execute(_LATEST, ("essay", f"t{next(_numbers) % TASKS}")).fetchone()
        return watch.per_operation

    return Contest(
        f"one row, PostgreSQL with {size:,} rows",
        [
            Lane("psycopg: INSERT and COMMIT", bare_insert),
            Lane("doc_io insert", _asking(_insert, ours), "psycopg: INSERT and COMMIT", goal=1.5),
            Lane("psycopg: indexed SELECT", bare_select),
            Lane("doc_io latest ok", _asking(_latest, ours), "psycopg: indexed SELECT", goal=2.0),
        ],
        setting.rounds * 4,
    )


def _filled(index: Index, size: int) -> Index:
    index.insert_placed((_row(f"seeded-{n}", f"t{n % TASKS}", n), ()) for n in range(size))
    return index


def _row(doc_id: str, task_id: str, number: int) -> dict[str, Any]:
    return dict(zip(COLUMNS, row(doc_id, task_id, number=number), strict=True)) | {"meta_small": {"provider": "bench"}}


def _insert(index: Index) -> None:
    index.insert([(_row(secrets.token_hex(8), f"new-{secrets.token_hex(8)}", 0), ())])


def _latest(index: Index) -> None:
    assert index.latest_by_task("essay", f"t{next(_numbers) % TASKS}", LATEST_OK) is not None


def _latest_of_many(index: Index) -> None:
    assert len(index.latest_by_tasks("essay", [f"t{n}" for n in range(TASKS)], LATEST_OK)) == TASKS


def _history(index: Index) -> None:
    assert index.history("essay", f"t{next(_numbers) % TASKS}")


QUESTIONS: dict[str, Callable[[Index], None]] = {
    "insert one row, durable": _insert,
    "latest ok of one task": _latest,
    "latest ok of 1,000 tasks": _latest_of_many,
    "history of one task (a thousandth of all rows)": _history,
}


def _asking(question: Callable[[Index], None], index: Index) -> Timed:
    def run() -> float:
        with timed() as watch:
            question(index)
        return watch.per_operation

    return run
