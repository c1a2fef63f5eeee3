"""The index in the key store: several processes add to it, and what is damaged is read again."""

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from client.encryption.search import search_index, search_store
from client.encryption.search.local_search import LocalSearch
from client.encryption.search.read_batch import ReadBatch, ReadMessage, TextState
from client.encryption.search.search_index import SearchIndex
from client.encryption.search.search_store import StoredIndex, append, clear
from client.encryption.search.search_terms import terms_of
from client.encryption.store.key_store import KEY_BYTES, KeyStore, Table
from client.failures import Failure

ROOM = "@ada~bob"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys" / "store.sqlite3"


@pytest.fixture(scope="module")
def key() -> bytes:
    return os.urandom(KEY_BYTES)


@pytest.fixture
def store(path: Path, key: bytes) -> Iterator[KeyStore]:
    with closing(KeyStore(path, key)) as store:
        yield store


def batch(offset: int, text: str, *, rev: int = 0, state: TextState = TextState.TEXT) -> ReadBatch:
    message = ReadMessage(offset, rev, f"2026-11-02T07:{offset % 60:02d}:00Z", "ada", text, "", state)
    return ReadBatch("u1", ROOM, "e1", (message,))


def add(store: KeyStore, offset: int, text: str) -> None:
    with store.transaction() as transaction:
        append(transaction, [batch(offset, text)])


def compact(store: KeyStore, stored: StoredIndex | None = None) -> None:
    with store.transaction() as transaction:
        (stored or StoredIndex()).compact(transaction)


def all_texts(store: KeyStore, stored: StoredIndex | None = None) -> list[str]:
    with store.transaction() as transaction:
        index = (stored or StoredIndex()).refresh(transaction)
    return [each.text for each in reversed(index.find(terms_of("word")))]


class TestSeveralProcesses:
    def test_each_finds_what_the_others_have_read(self, store: KeyStore, path: Path, key: bytes) -> None:
        with closing(KeyStore(path, key)) as other:
            add(store, 1, "word one")
            add(other, 2, "word two")
            mine, theirs = StoredIndex(), StoredIndex()
            assert all_texts(store, mine) == all_texts(other, theirs) == ["word one", "word two"]
            add(store, 3, "word three")
            assert all_texts(other, theirs) == ["word one", "word two", "word three"]

    @pytest.mark.parametrize("read_before", [0, 1, 2])
    def test_index_that_is_open_follows_a_snapshot_of_another_process(self, store: KeyStore, read_before: int) -> None:
        mine = StoredIndex()
        for offset in range(1, read_before + 1):
            add(store, offset, f"word {offset}")
        all_texts(store, mine)
        for offset in range(read_before + 1, 4):
            add(store, offset, f"word {offset}")
        compact(store)
        assert all_texts(store, mine) == ["word 1", "word 2", "word 3"]
        add(store, 4, "word 4")
        assert all_texts(store, mine) == ["word 1", "word 2", "word 3", "word 4"]

    def test_snapshots_in_turn_lose_nothing(self, store: KeyStore, path: Path, key: bytes) -> None:
        with closing(KeyStore(path, key)) as other:
            mine, theirs = StoredIndex(), StoredIndex()
            for offset in range(1, 21):
                taker, stored = ((store, mine), (other, theirs))[offset % 2]
                add(taker, offset, f"word {offset}")
                if offset % 3 == 0:
                    compact(taker, stored)
            expected = [f"word {offset}" for offset in range(1, 21)]
            assert all_texts(store, mine) == all_texts(other, theirs) == all_texts(store) == expected

    def test_index_that_was_deleted_elsewhere_is_empty(self, store: KeyStore) -> None:
        mine = StoredIndex()
        for offset in (1, 2):
            add(store, offset, f"word {offset}")
        compact(store, mine)
        with store.transaction() as transaction:
            clear(transaction)
        assert all_texts(store, mine) == []
        add(store, 3, "word 3")
        assert all_texts(store, mine) == ["word 3"]


class TestDamage:
    def damage(self, store: KeyStore, table: Table, name: str) -> None:
        store._db.execute(f"UPDATE {table} SET value = zeroblob(length(value)) WHERE name = ?", (name,))

    def test_damaged_snapshot_is_forgotten_and_the_journal_is_kept(self, store: KeyStore) -> None:
        add(store, 1, "word 1")
        compact(store)
        add(store, 2, "word 2")
        self.damage(store, Table.SEARCH_INDEX, "snapshot")
        assert all_texts(store) == ["word 2"]
        compact(store)
        assert all_texts(store) == ["word 2"]
        with store.transaction() as transaction:
            assert StoredIndex().refresh(transaction).missing("u1", "e1", 2) == [(1, 1)]

    def test_damaged_row_of_the_journal_is_left_out(self, store: KeyStore) -> None:
        for offset in (1, 2, 3):
            add(store, offset, f"word {offset}")
        self.damage(store, Table.MESSAGES, f"{2:016d}")
        assert all_texts(store) == ["word 1", "word 3"]

    def test_snapshot_of_another_version_is_read_again(self, store: KeyStore, monkeypatch: pytest.MonkeyPatch) -> None:
        add(store, 1, "word 1")
        compact(store)
        monkeypatch.setattr(search_index, "VERSION", 2)
        assert all_texts(store) == []

    def test_index_that_turns_out_damaged_is_thrown_away(self, store: KeyStore, path: Path, key: bytes) -> None:
        add(store, 1, "word 1")
        search = LocalSearch(lambda: KeyStore(path, key))
        search.refresh()
        assert search._stored.index is not None
        search._stored.index._db.execute("DROP TABLE words_data")
        assert search.find("word") == []
        search.refresh()
        assert search.reach(ROOM) is None
        search.close()


class TestSize:
    def test_journal_is_taken_into_the_snapshot_and_numbers_go_on(self, store: KeyStore) -> None:
        for offset in range(1, 6):
            add(store, offset, f"word {offset}")
        compact(store)
        with store.transaction() as transaction:
            assert [value for _, value in transaction.rows(Table.MESSAGES)] == [b""]
        add(store, 6, "word 6")
        with store.transaction() as transaction:
            assert transaction.names(Table.MESSAGES) == [f"{5:016d}", f"{6:016d}"]

    def test_deletion_brings_the_next_snapshot_forward(self, store: KeyStore) -> None:
        with store.transaction() as transaction:
            assert append(transaction, [batch(1, "word")]) < search_store.LEFT_MESSAGES
            erased = batch(1, "", rev=1, state=TextState.NOTHING)
            assert append(transaction, [erased]) >= search_store.LEFT_MESSAGES


class TestWithoutFullTextSearch:
    def test_search_says_so_in_a_sentence(self, path: Path, key: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(search_index, "_FULL_TEXT", "CREATE VIRTUAL TABLE words USING fts_of_no_sqlite(text)")
        with pytest.raises(Failure, match="no full-text search"):
            LocalSearch(lambda: KeyStore(path, key)).refresh()
        assert not path.exists()
        assert not search_index.is_available()


def test_index_keeps_no_word_in_clear_on_disk(store: KeyStore, path: Path) -> None:
    for offset in range(1, 50):
        add(store, offset, f"canary word {offset}")
    compact(store)
    add(store, 50, "canary word")
    assert len(all_texts(store)) == 50
    for file in path.parent.iterdir():
        assert b"canary" not in file.read_bytes(), file


def test_empty_index_finds_nothing() -> None:
    assert SearchIndex().find(terms_of("word")) == []
