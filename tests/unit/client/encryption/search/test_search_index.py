"""The index in memory: what is found, what replaces what, and how far it reaches."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client.encryption.search.covered_offsets import OffsetRange
from client.encryption.search.read_batch import ReadBatch, ReadMessage, TextState
from client.encryption.search.search_index import DamagedIndexError, FoundMessage, Reach, SearchIndex
from client.encryption.search.search_terms import terms_of

ROOM = "@ada~bob"
DAY = "2026-11-{:02d}T07:11:00Z"


def read(offset: int, text: str, *, rev: int = 0, files: str = "", state: TextState = TextState.TEXT) -> ReadMessage:
    return ReadMessage(offset, rev, DAY.format(offset % 28 + 1), "ada", text, files, state)


def batch(*messages: ReadMessage, uid: str = "u1", room: str = ROOM, epoch: str = "e1") -> ReadBatch:
    return ReadBatch(uid, room, epoch, messages)


def index_of(*texts: str) -> SearchIndex:
    """An index of messages that stand at 1, 2, …"""
    index = SearchIndex()
    index.add([batch(*(read(offset, text) for offset, text in enumerate(texts, 1)))])
    return index


def found(index: SearchIndex, typed: str, room: str = "", limit: int = 100) -> list[str]:
    return [each.text for each in index.find(terms_of(typed), room, limit)]


class TestWhatIsFound:
    @pytest.mark.parametrize(
        "typed",
        [
            "deploy",
            "DEPLOY",
            "d",
            "deploy fri",
            "friday deployed",
            '"the café"',
            "cafe",
            "CAFÉ",
            "v1.2",
            "plan's",
        ],
    )
    def test_words_are_found_by_their_beginnings_in_any_order_case_and_without_accents(self, typed: str) -> None:
        index = index_of("We deployed on Friday at the café, plan's v1.2", "something else")
        assert len(found(index, typed)) == 1

    @pytest.mark.parametrize("typed", ["eploy", "deploy saturday", '"deployed at"', '"dep"', "cafeteria"])
    def test_what_does_not_match_is_not_found(self, typed: str) -> None:
        assert found(index_of("We deployed on Friday at the café"), typed) == []

    @pytest.mark.parametrize(
        ("typed", "text"), [("都", "東京都に行く"), ("🎉", "done 🎉"), ("->", "a -> b"), ("คำ", "ถ้อยคำ")]
    )
    def test_what_has_no_words_for_the_tokenizer_is_found_as_it_stands(self, typed: str, text: str) -> None:
        assert found(index_of(text, "other"), typed) == [text]

    def test_names_of_files_are_found(self) -> None:
        index = SearchIndex()
        index.add([batch(read(1, "", files="quarterly-plan.pdf"))])
        assert index.find(terms_of("plan")) == [
            FoundMessage(ROOM, "e1", 1, DAY.format(2), "ada", "", "quarterly-plan.pdf")
        ]

    def test_newest_messages_come_first_and_no_more_than_asked_for(self) -> None:
        assert found(index_of("day one", "day two", "day three"), "day", limit=2) == ["day three", "day two"]

    def test_one_room_is_searched_or_all(self) -> None:
        index = index_of("here")
        index.add([batch(read(1, "hereabouts"), uid="u2", room="plans~")])
        assert found(index, "here", "plans~") == ["hereabouts"]
        assert sorted(found(index, "here")) == ["here", "hereabouts"]
        assert found(index, "here", "nowhere~") == []

    @given(st.text(max_size=60))
    def test_anything_may_be_typed(self, typed: str) -> None:
        index_of("text").find(terms_of(typed))

    @given(st.text(alphabet=st.characters(categories=["L", "N"], max_codepoint=0x2FF), min_size=1, max_size=12))
    def test_every_word_is_found_by_itself(self, word: str) -> None:
        assert found(index_of(f"before {word} after"), word) == [f"before {word} after"]


class TestWhatReplacesWhat:
    def test_edit_is_found_by_its_new_words_only(self) -> None:
        index = index_of("old words")
        index.add([batch(read(1, "new words", rev=3))])
        assert (found(index, "old"), found(index, "new")) == ([], ["new words"])

    def test_deleted_message_is_not_found_and_leaves_no_trace(self) -> None:
        index = index_of("keep this", "correct horse")
        index.add([batch(read(2, "", rev=1, state=TextState.NOTHING))])
        index.trim()
        assert found(index, "horse") == []
        assert b"horse" in index_of("keep this", "correct horse").snapshot()
        assert b"horse" not in index.snapshot()

    @given(st.permutations([read(1, "one"), read(1, "two", rev=1), read(1, "", rev=2, state=TextState.NOTHING)]))
    def test_newest_revision_counts_in_whatever_order_they_come(self, order: list[ReadMessage]) -> None:
        index = SearchIndex()
        for message in order:
            index.add([batch(message)])
        assert (found(index, "one"), found(index, "two"), len(index)) == ([], [], 1)

    def test_message_whose_key_came_is_found_and_stays_so(self) -> None:
        locked = read(1, "", state=TextState.KEY_MAY_COME)
        index = SearchIndex()
        for message in (locked, read(1, "readable"), locked):
            index.add([batch(message)])
        assert found(index, "readable") == ["readable"]

    def test_of_an_earlier_epoch_nothing_is_kept(self) -> None:
        index = index_of("before the restore")
        index.add([batch(read(1, "after it"), epoch="e2")])
        assert (found(index, "before"), found(index, "after")) == ([], ["after it"])
        assert index.missing("u1", "e2", 2) == [OffsetRange(2, 2)]


class TestReach:
    def test_room_is_searched_back_to_the_first_gap(self) -> None:
        index = SearchIndex()
        index.add([batch(*(read(offset, "x") for offset in (1, 2, 5, 6)))])
        assert index.reach(ROOM) == Reach(5, DAY.format(6), 0)
        assert index.missing("u1", "e1", 8) == [OffsetRange(7, 8), OffsetRange(3, 4)]
        index.add([ReadBatch("u1", ROOM, "e1", (read(4, "x"),), (OffsetRange(1, 4),))])
        assert index.reach(ROOM) == Reach(1, DAY.format(2), 0)
        assert index.missing("u1", "e1", 6) == []

    def test_messages_whose_keys_are_missing_are_counted_and_can_be_tried_again(self) -> None:
        index = index_of("one", "two", "three")
        index.add([batch(read(4, "", state=TextState.KEY_MAY_COME), read(5, "", state=TextState.NOTHING))])
        assert index.reach(ROOM) == Reach(1, DAY.format(2), 1)
        assert index.missing("u1", "e1", 5) == []
        assert index.missing("u1", "e1", 5, locked=10) == [OffsetRange(4, 4)]

    def test_room_of_which_nothing_was_read_has_none(self) -> None:
        assert index_of("x").reach("plans~") is None
        assert SearchIndex().missing("u9", "e1", 3) == [OffsetRange(1, 3)]

    def test_earliest_messages_are_forgotten_beyond_the_limit(self) -> None:
        index = index_of(*(f"word{number}" for number in range(1, 21)))
        index.trim(15)
        assert (len(index), found(index, "word5"), found(index, "word6")) == (15, [], ["word6"])
        assert index.reach(ROOM) == Reach(6, DAY.format(7), 0)


class TestSnapshot:
    def test_snapshot_opens_as_the_same_index(self) -> None:
        index = SearchIndex.from_snapshot(index_of("one two").snapshot())
        index.add([batch(read(2, "two three"))])
        assert found(index, "two") == ["two three", "one two"]

    @pytest.mark.parametrize("cut", [b"", b"not a database", b"SQLite format 3\0" + bytes(4000)])
    def test_what_is_no_snapshot_is_refused(self, cut: bytes) -> None:
        with pytest.raises(DamagedIndexError):
            SearchIndex.from_snapshot(cut)

    def test_snapshot_that_was_cut_is_refused(self) -> None:
        snapshot = index_of(*("some words",) * 500).snapshot()
        with pytest.raises(DamagedIndexError):
            SearchIndex.from_snapshot(snapshot[: len(snapshot) // 2])
