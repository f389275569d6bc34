"""What only a database on another machine can do to an index: break, restart, refuse, and be shared."""

from __future__ import annotations

import logging
import pickle
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from doc_io.document import OK, Parent
from doc_io.errors import (
    CommitUnknownError,
    ConfigurationError,
    IndexAccessError,
    IndexBusyError,
    IndexFormatError,
    IndexVersionError,
    MaintenanceBusyError,
    QueryError,
)
from doc_io.index import pool, postgres_queries, queries
from doc_io.index import postgres as postgres_module
from doc_io.index.base import NewRow, VersionSelector
from doc_io.index.open import open_index
from doc_io.index.postgres import PostgresIndex
from doc_io.index.postgres_rows import lock_key
from doc_io.index.sql_index import Index
from tests.index.contract import PARENTS_OF_SCHEMA_2, add, chain, make_row
from tests.servers.cutting import Cutter, cutting
from tests.servers.postgres import PASSWORD, SUPERUSER, Postgres, postgres


@pytest.fixture
def url(postgres_server: Postgres) -> str:
    """An empty database."""
    return postgres_server.new_database()


@pytest.fixture
def index(url: str) -> Iterator[Index]:
    """An index in it."""
    index = open_index("", url)
    yield index
    index.close()


@pytest.fixture
def cutter(postgres_server: Postgres) -> Iterator[Cutter]:
    """A way to the server that can be cut."""
    with cutting(postgres_server.port) as cutter:
        yield cutter


def by_way_of(cutter: Cutter, url: str, postgres_server: Postgres) -> Index:
    """The index, reached through the cutter."""
    return open_index("", url.replace(f":{postgres_server.port}/", f":{cutter.port}/"))


def test_the_url_may_be_written_as_sqlalchemy_does(url: str) -> None:
    """With its driver's name; the short scheme, too."""
    for scheme in ("postgresql+psycopg", "postgres", "postgresql+psycopg2"):
        index = open_index("", url.replace("postgresql", scheme, 1))
        assert index.get("0" * 16) is None
        index.close()


def test_eight_first_users_make_the_table_once(url: str) -> None:
    """None of them fails, and all write to the same one."""
    indexes = [open_index("", url) for _ in range(8)]
    start = threading.Barrier(8)

    def write(n: int) -> None:
        start.wait()
        add(indexes[n], f"t{n}")

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(write, range(8)))

    assert len(list(indexes[0].scan())) == 8
    for index in indexes:
        index.close()


def test_every_look_up_is_answered_from_an_index(index: Index, url: str) -> None:
    """The plans at 5,000 rows hold no scan of a table and no sort of more than was found."""
    index.insert_placed(
        (make_row(f"t{n % 250}", attempt=str(n), run_id=f"r{n % 50}"), [Parent(f"p{n}"), Parent(f"q{n}")][: n % 3])
        for n in range(5_000)
    )
    many, values = postgres_queries.latest_by_tasks("draft", VersionSelector(OK))
    of_runs, values_of_runs = postgres_queries.latest_by_tasks("draft", VersionSelector(OK, runs=["r1"]))
    tasks = [f"t{n}" for n in range(100)]
    questions = [
        queries.latest_by_task("draft", "t1", VersionSelector(OK)),
        queries.latest_by_logical("0" * 16, OK),
        (many, [tasks, *values]),
        (of_runs, [tasks, *values_of_runs]),
        (postgres_queries.GET_MANY, [tasks]),
        (queries.GET, ["0" * 16]),
        queries.history("draft", "t1", None, None),
        (queries.ANSWERS, ["draft", "t1", "0" * 64]),
        (postgres_queries.HEADS, [["draft"] * 100, tasks]),
        (queries.PARENTS, ["0" * 16]),
        (queries.parents_of(postgres_queries.KEYS_TABLE), [tasks[:3]]),
        (queries.CHILDREN, ["p7", "p7"]),
        (queries.children_of(postgres_queries.KEYS_TABLE), [["1", "2"]]),
        (queries.parent_lists(postgres_queries.KEYS_TABLE), [tasks[:3]]),
        (queries.SCAN, [0]),
    ]
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("ANALYZE documents, document_parent_lists")
        for statement, given in questions:
            plan = connection.execute("EXPLAIN " + postgres_queries.statement_for(statement), given).fetchall()
            assert "Seq Scan on document" not in str(plan), f"{statement}\n{plan}"


def test_a_lost_connection_is_replaced(index: Index, url: str) -> None:
    """Reading and writing go on after the server ended every connection."""
    first = add(index, "a")
    _end_all_connections(url)

    assert index.get(first.doc_id) == first
    _end_all_connections(url)
    second = add(index, "b")

    assert list(index.scan()) == [first, second]


def test_a_server_that_is_gone_is_one_error_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    """It waits for a server that only restarts, and then says why it could not."""
    monkeypatch.setattr(pool, "_CONNECT_SECONDS", 2)
    with postgres() as server:
        index = open_index("", server.url)
        row = add(index, "a")

    start = time.monotonic()
    with pytest.raises(IndexAccessError, match=r"127.0.0.1.*refused"):
        index.get(row.doc_id)
    assert 1 < time.monotonic() - start < 10
    index.close()


@pytest.mark.parametrize("server_gets_it", [True, False], ids=["after the server got it", "before"])
def test_a_commit_cut_off_once_is_found_out(
    cutter: Cutter, url: str, postgres_server: Postgres, *, server_gets_it: bool
) -> None:
    """Sent again it is one row, whether the first COMMIT arrived or not."""
    index = by_way_of(cutter, url, postgres_server)
    add(index, "before")
    cutter.word, cutter.cuts, cutter.server_gets_it = b"INSERT INTO documents", 1, server_gets_it
    row = make_row("a")

    [inserted] = index.insert([(row, [])])

    assert inserted.doc_id == row["doc_id"]
    assert [each.task_id for each in index.scan()] == ["before", "a"]
    index.close()


@pytest.mark.parametrize("server_gets_it", [True, False], ids=["after the server got it", "before"])
def test_a_commit_whose_outcome_stays_unknown_says_so_and_a_retry_converges(
    cutter: Cutter, url: str, postgres_server: Postgres, *, server_gets_it: bool
) -> None:
    """The error names the document and no secret; saving again gives one row."""
    index = by_way_of(cutter, url, postgres_server)
    add(index, "before")
    cutter.word, cutter.cuts, cutter.server_gets_it = b"INSERT INTO documents", 10**6, server_gets_it
    row = make_row("a")

    with pytest.raises(CommitUnknownError, match=row["doc_id"]) as unknown:
        index.insert([(row, [])])

    cutter.cuts = 0
    said = f"{unknown.value!s} {unknown.value!r} {unknown.value.__cause__!r}"
    assert PASSWORD not in said
    index.insert([(row, [])])
    assert [each.task_id for each in index.scan()] == ["before", "a"]
    index.close()


@pytest.mark.parametrize("count", [1, 1000])
def test_a_batch_is_one_round_trip_however_large_it_is(
    cutter: Cutter, url: str, postgres_server: Postgres, count: int
) -> None:
    """Counted on the wire: the locks, the rows, their parents and the COMMIT; and one for the heads before it."""
    index = by_way_of(cutter, url, postgres_server)
    add(index, "before")
    rows = chain(*(f"t{n % 600}" for n in range(count)))

    cutter.round_trips = 0
    index.heads([("draft", row["task_id"]) for row in rows])
    after_heads = cutter.round_trips
    inserted = index.insert([(row, [Parent("p" * 16), Parent("q" * 16)]) for row in rows])

    # A large batch does not fit into the buffers of the sockets: the server's notices may come in between.
    assert (after_heads, cutter.round_trips) == (1, 2)
    assert [row.doc_id for row in inserted] == [row["doc_id"] for row in rows]
    index.close()


@pytest.mark.parametrize("insert", [PostgresIndex.insert, PostgresIndex.insert_placed])
def test_lists_of_parents_are_inserted_in_one_order_by_all_writers(
    index: Index, insert: Callable[[Any, list[NewRow]], object]
) -> None:
    """By their ids, so that no two writers of the same lists wait for each other in a circle."""
    insert(
        index, [(row, [Parent(f"{n}"), Parent("p")]) for n, row in enumerate(chain(*(f"t{n}" for n in range(2500))))]
    )

    _, inserted = index.read_sql("SELECT list_id FROM document_parent_lists ORDER BY ctid", limit=10_000)

    assert len(inserted) == 5000
    assert inserted == sorted(inserted)


def test_a_statement_that_takes_too_long_is_ended(index: Index, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A table that somebody has locked is a busy index, after a time with a limit."""
    monkeypatch.setattr(pool, "_SETTINGS", "SELECT set_config('statement_timeout', '1s', false)")
    add(index, "a")
    with psycopg.connect(url) as other:
        other.execute("LOCK TABLE documents IN ACCESS EXCLUSIVE MODE")
        start = time.monotonic()
        with pytest.raises(IndexBusyError):
            index.get("0" * 16)
        assert time.monotonic() - start < 10
        other.rollback()

    assert [row.task_id for row in index.scan()] == ["a"]


def test_a_server_that_would_lose_commits_is_set_not_to(index: Index, url: str) -> None:
    """``synchronous_commit = off`` of a database does not hold for our connections."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {connection.info.dbname} SET synchronous_commit = off")
    add(index, "a")

    assert isinstance(index, PostgresIndex)
    with index._pool.connection() as connection:  # noqa: SLF001 - only there it can be seen
        assert connection.execute("SHOW synchronous_commit").fetchone() == ("on",)
        assert connection.execute("SHOW statement_timeout").fetchone() == ("30s",)


def test_a_table_of_something_else_is_refused_and_left_alone(index: Index, url: str) -> None:
    """Somebody may have a table ``documents`` of his own."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE documents (title text)")

    with pytest.raises(IndexFormatError):
        add(index)


def test_an_index_of_a_newer_version_is_refused_and_left_alone(index: Index, url: str) -> None:
    """It may hold what this version does not know."""
    add(index)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("COMMENT ON TABLE documents IS 'doc_io index, schema 999'")
    newer = open_index("", url)

    with pytest.raises(IndexVersionError, match="999"):
        newer.get("0" * 16)
    newer.close()


def test_a_waiting_maintenance_and_repair_say_who_holds_the_lock(
    index: Index, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its process in the server, after a time with a limit."""
    monkeypatch.setattr(postgres_module, "STATEMENT_SECONDS", 1)
    other = open_index("", url)

    with index.repair_lock(), index.maintenance_lock():
        with pytest.raises(MaintenanceBusyError, match=r"process \d+ of 127\.0\.0\.1"), other.maintenance_lock():
            pytest.fail("held by two")
        with pytest.raises(IndexBusyError, match=r"for 1 s by process \d+.*repair lock"), other.repair_lock():
            pytest.fail("held by two")


def test_sql_leaves_nothing_behind(index: Index) -> None:
    """Settings and locks of a session end with it."""
    add(index)
    index.read_sql("SELECT set_config('statement_timeout', '1ms', false), set_config('search_path', 'nowhere', false)")
    index.read_sql(f"SELECT pg_advisory_lock({lock_key('maintenance')})")

    with index.maintenance_lock():
        assert add(index, "next").seq == 2


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT nextval(pg_get_serial_sequence('documents', 'seq'))",
        "WITH gone AS (DELETE FROM documents RETURNING 1) SELECT * FROM gone",
        "SET transaction_read_only = off",
        "COMMIT",
        "COPY documents TO PROGRAM 'cat'",
        "SELECT set_config('transaction_read_only', 'off', false), lo_create(0)",
    ],
)
def test_no_sql_writes(index: Index, statement: str) -> None:
    """Neither directly nor by a function."""
    row = add(index)

    with pytest.raises(QueryError):
        index.read_sql(statement)

    assert add(index, "next").seq == row.seq + 1


def test_sql_is_not_run_as_a_superuser_unless_the_role_was_chosen_for_it(url: str, postgres_server: Postgres) -> None:
    """A superuser's SELECT can read files and run programs; a role for reading alone is the one to give."""
    database = url.rpartition("/")[2]
    superuser = postgres_server.url_of(database, user=SUPERUSER)
    with psycopg.connect(superuser, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE reader_{database} LOGIN PASSWORD '{PASSWORD}'")
    index = open_index("", superuser)
    row = add(index)
    with pytest.raises(QueryError, match=r"superuser.*db_read_url"):
        index.read_sql("SELECT 1")
    with psycopg.connect(superuser, autocommit=True) as connection:
        connection.execute(f"GRANT SELECT ON documents TO reader_{database}")
    read_url = postgres_server.url_of(database, user=f"reader_{database}")

    reading = open_index("", superuser, db_read_url=read_url)

    assert reading.read_sql("SELECT doc_id, current_user FROM documents")[1] == [(row.doc_id, f"reader_{database}")]
    reading.rebuild([(row.as_dict(), [])])
    assert reading.read_sql("SELECT count(*) FROM documents")[1] == [(1,)]
    index.close()
    reading.close()


def test_who_could_read_parents_before_a_rebuild_can_read_them_after_it(
    index: Index, url: str, postgres_server: Postgres
) -> None:
    """Also where they were a table, before schema 3; what is behind the view is theirs too, for `db_url` itself."""
    database = url.rpartition("/")[2]
    row = add(index, parents=(Parent("p" * 16), Parent("q" * 16)))
    parents = index.parents(row.doc_id)
    superuser = postgres_server.url_of(database, user=SUPERUSER)
    with psycopg.connect(superuser, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE parent_reader_{database} LOGIN PASSWORD '{PASSWORD}'")
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in PARENTS_OF_SCHEMA_2:
            connection.execute(statement)
        connection.execute("COMMENT ON TABLE documents IS 'doc_io index, schema 2'")
        connection.execute(f"GRANT SELECT ON documents, document_parents TO parent_reader_{database}")
    index.close()
    upgraded = open_index("", url)
    reading = open_index("", postgres_server.url_of(database, user=f"parent_reader_{database}"))

    for _ in range(2):
        upgraded.rebuild([(row.as_dict(), parents)])

        assert reading.read_sql("SELECT count(*) FROM document_parents")[1] == [(2,)]
        assert reading.parents(row.doc_id) == parents
        reading.close()
    upgraded.close()


def test_a_rebuild_gives_tables_and_indexes_their_names_again(index: Index, url: str) -> None:
    """Twice, and nothing is left of it."""
    names = "SELECT relname, relkind FROM pg_class WHERE relname LIKE 'document%' ORDER BY relname"
    row = add(index, parents=(Parent("p" * 16), Parent("q" * 16)))
    with psycopg.connect(url) as connection:
        before = connection.execute(names).fetchall()

    for _ in range(2):
        assert index.rebuild([(row.as_dict(), [])]) == 1

    with psycopg.connect(url) as connection:
        assert connection.execute(names).fetchall() == before


def test_closing_leaves_no_connection(index: Index, url: str) -> None:
    """After eight threads used it."""
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda n: add(index, f"t{n}"), range(16)))

    index.close()

    with psycopg.connect(url) as connection:
        count = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        left = None
        for _ in range(100):
            (left,) = connection.execute(count).fetchone() or (None,)
            if not left:
                break
            time.sleep(0.02)
    assert left == 0


def test_a_wrong_password_a_wrong_database_and_no_server_are_one_error_each(
    postgres_server: Postgres, caplog: pytest.LogCaptureFixture
) -> None:
    """Within seconds, naming the host and what is wrong, and no password."""
    caplog.set_level(logging.DEBUG)
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        wrong = {
            postgres_server.url_of("postgres", "hid%3Aden"): "password authentication failed",
            postgres_server.url_of("nonesuch", PASSWORD): 'database "nonesuch" does not exist',
            f"postgresql://writer:{PASSWORD}@127.0.0.1:{nobody.getsockname()[1]}/postgres": "refused",
            f"postgresql://writer@127.0.0.1:{postgres_server.port}/postgres?password=hid%3Aden&nonesuch=1": "nonesuch",
        }
        for url, reason in wrong.items():
            index = open_index("", url)
            start = time.monotonic()
            with pytest.raises(IndexAccessError, match=reason) as refused:
                add(index)
            assert time.monotonic() - start < 20
            error = refused.value
            said = f"{error!s} {error!r} {vars(error)!r} {error.__cause__!r} {index!r} {vars(index)!r} {index.name}"
            assert "127.0.0.1" in str(error)
            index.close()
            for secret in (PASSWORD, "hid%3Aden", "hid:den"):
                assert secret not in said
                assert secret not in caplog.text


@pytest.mark.parametrize("url", ["mysql://user:hidden@host/db", "hidden", "postgresql://user:hidden@host:port/db"])
def test_a_url_that_no_engine_speaks_is_refused_without_being_shown(url: str) -> None:
    """It may hold a password."""
    with pytest.raises(ConfigurationError) as refused:
        open_index("", url)

    assert "hidden" not in f"{refused.value!s} {vars(refused.value)!r}"
    assert refused.value.__cause__ is None


def test_an_index_with_a_password_cannot_be_pickled(index: Index) -> None:
    """A pickle would hold it; a process makes an index of its own."""
    add(index)

    with pytest.raises(TypeError, match="pickle"):
        pickle.dumps(index)


def _end_all_connections(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
