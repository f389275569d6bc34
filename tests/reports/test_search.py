"""Search finds words in any script, in texts and prompts, wherever they stand; the same on both engines."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doc_io import Document, DocumentStore, reports
from doc_io.index.terms import Phrase, find_all, terms_of
from tests.servers.postgres import Postgres


@pytest.fixture(params=["sqlite", "postgres"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[DocumentStore]:
    """An empty store on either engine."""
    server: Postgres | None = request.getfixturevalue("postgres_server") if request.param == "postgres" else None
    with DocumentStore(tmp_path / "docs", db_url=server.new_database() if server else None) as opened:
        yield opened


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("我喜欢鲸鱼在海里唱歌。", "鲸鱼"),
        ("我喜欢鲸鱼在海里唱歌。", "鱼"),
        ("我喜欢鲸鱼在海里唱歌。", "喜欢鲸鱼在"),
        ("我喜欢鲸鱼在海里唱歌。", "唱歌 鲸鱼"),
        ("クジラは海で歌います。", "クジラ"),
        ("ｸｼﾞﾗは海で", "クジラ"),
        ("東京タワーへ行った", "タワー"),
        ("고래가 바다에서 노래한다", "고래"),
        ("ปลาวาฬร้องเพลง", "วาฬ"),
        ("我用Python写代码", "python"),
        ("我用Python写代码", "用Python写"),
        ("словоword", "word"),
        ("a café in Zürich", "CAFE zurich"),
        ("cafe\u0301", "café"),
        ("हिन्दी भाषा", "हिन्दी"),
        ("a state-of-the-art model", "state-of-the-art"),
        ("user_id = 7", "user"),
        ("⑴⑵ in brackets", "⑴⑵"),
        ("x" * 5000, "x" * 5000),
    ],
)
def test_a_word_is_found_in_any_script(store: DocumentStore, text: str, words: str) -> None:
    """Glued to another script or not, whatever its case, accents and width."""
    row = store.save(text, stage="s", task_id="t")
    store.save("unrelated", stage="s", task_id="other")

    [hit] = reports.search(store, words)

    assert hit.row.doc_id == row.doc_id
    assert hit.matches


@pytest.mark.parametrize("words", ["鱼鲸", "欢在", "pyth", 'whale" OR "a', "鲸歌", "art-state", "", "—", '"'])
def test_what_is_not_there_is_not_found(store: DocumentStore, words: str) -> None:
    """Neither parts of a word, nor its characters in another order, nor a query language."""
    store.save("我喜欢鲸鱼在海里唱歌 Python state-of-the-art whale", stage="s", task_id="t")

    assert reports.search(store, words) == []


def test_nothing_is_cut(store: DocumentStore) -> None:
    """Of a text of megabytes the last word is found like the first one."""
    text = " ".join(f"word{n}" for n in range(200_000)) + " 鲸鱼"
    store.save(text, stage="s", task_id="t")

    [hit] = reports.search(store, "鲸鱼 word199999")

    assert hit.position == text.index("word199999")
    assert [hit.excerpt[start:end] for start, end in hit.matches] == ["word199999", "鲸鱼"]


def test_a_prompt_is_searched_and_the_hit_says_so(store: DocumentStore) -> None:
    """A document is there once; its text comes before its prompt."""
    asked = store.save(Document("an answer", prompt="Tell me of whales."), stage="s", task_id="1")
    both = store.save(Document("Of whales:", prompt="Tell me of whales."), stage="s", task_id="2")

    assert [(hit.row.doc_id, hit.which) for hit in reports.search(store, "whales of")] == [
        (both.doc_id, "text"),
        (asked.doc_id, "prompt"),
    ]
    assert reports.search(store, "answer whales") == []


def test_the_newest_come_first_and_so_many(store: DocumentStore) -> None:
    """Candidates that the texts do not bear out make no room."""
    rows = [store.save("北京大学" if n % 2 else "北京 京大 大学", stage="s", task_id=f"{n}") for n in range(9)]

    found = [hit.row.doc_id for hit in reports.search(store, "北京大学", limit=3)]

    assert found == [rows[n].doc_id for n in (7, 5, 3)]


def test_an_excerpt_marks_every_match_in_it(store: DocumentStore) -> None:
    """With what stands around them, and an ellipsis where it was cut."""
    store.save("x" * 300 + " the whale and the Whale " + "y" * 300, stage="s", task_id="t")

    [hit] = reports.search(store, "whale")

    assert [hit.excerpt[start:end] for start, end in hit.matches] == ["whale", "Whale"]
    assert hit.excerpt.startswith("…")
    assert hit.excerpt.endswith("…")
    assert hit.position == 305


def test_an_interrupted_first_search_goes_on(store: DocumentStore) -> None:
    """What was indexed is not read again."""
    for number in range(3):
        store.save(f"whale {number}", stage="s", task_id=f"{number}")
    reports.search(store, "whale")
    later = store.save("whale 4", stage="s", task_id="4")
    counted: list[int] = []

    hits = reports.search(store, "whale", progress=lambda done, _: counted.append(done))

    assert counted == [1]
    assert hits[0].row.doc_id == later.doc_id
    assert len(hits) == 4


def test_the_table_of_an_older_version_is_made_anew(tmp_path: Path) -> None:
    """It is derived."""
    with DocumentStore(tmp_path / "docs") as store:
        row = store.save("我喜欢鲸鱼", stage="s", task_id="t")
        with sqlite3.connect(f"{store.index.name}.search") as old:
            old.execute("CREATE VIRTUAL TABLE texts USING fts5(doc_id UNINDEXED, text)")
            old.execute("CREATE TABLE known (doc_id TEXT PRIMARY KEY, text INTEGER NOT NULL) WITHOUT ROWID")
            old.execute("INSERT INTO known VALUES (?, 1)", (row.doc_id,))

        assert [hit.row.doc_id for hit in reports.search(store, "鲸鱼")] == [row.doc_id]


LETTERS = st.text(st.sampled_from("aBé鲸鱼クｸﾞ가я1⑴ -\uff0c\u0301"), max_size=12)


@given(before=LETTERS, word=LETTERS, after=LETTERS)
def test_every_word_of_a_text_is_found_in_it(before: str, word: str, after: str) -> None:
    """Its terms are among those of the text, and its place is found."""
    text = f"{before} {word} {after}"
    for each in text.split():
        phrase = Phrase(each)
        if phrase.units:
            assert phrase.terms() <= terms_of(text)
            assert find_all(text, [phrase], 100)


@given(st.text(max_size=40))
def test_any_text_can_be_looked_for(text: str) -> None:
    """A term has no character that would be syntax."""
    for term in terms_of(text):
        assert term
        assert not set(term) & set(' "\0-+*:^()[]{}')
