"""The stream of one room returns each offset once, in order, without gaps, whatever arrives."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from services.gateway.core import room_stream as module
from services.gateway.core.room_stream import EpochChangedError, RecentMessages, RoomStream

EPOCH = "e1"
RECENT = 5

arrivals = st.lists(st.tuples(st.integers(1, 40), st.integers(0, 8)), max_size=60)
"""Batches and pages as (first offset, count): late, early, duplicate, overlapping, incomplete."""


def messages(first: int, count: int) -> list[bytes]:
    return [b"%d" % offset for offset in range(first, first + count)]


def stream(at: int = 0) -> RoomStream:
    return RoomStream.at(EPOCH, at, messages(1, at), RECENT)


def offsets(frames: list[bytes]) -> list[int]:
    return [int(frame) for frame in frames]


class Model:
    """A stream with unbounded memory."""

    def __init__(self, at: int) -> None:
        self.head = self.known = at
        self.received: set[int] = set()

    def take(self, first: int, count: int) -> list[int]:
        arrived = range(first, first + count)
        self.received.update(arrived)
        self.known = max(self.known, first + count - 1)
        begin = self.head
        while self.head + 1 in self.received:
            self.head += 1
        return list(range(begin + 1, self.head + 1))


class TestArbitraryArrivals:
    @settings(max_examples=100)
    @given(at=st.integers(0, 20), arrivals=arrivals)
    @example(at=0, arrivals=[(3, 2), (1, 3)])
    @example(at=0, arrivals=[(5, 1), (3, 1), (1, 5)])
    def test_each_message_is_returned_once_in_order_without_gaps(
        self, at: int, arrivals: list[tuple[int, int]]
    ) -> None:
        subject, model = stream(at), Model(at)
        for first, count in arrivals:
            assert offsets(subject.take(EPOCH, first, messages(first, count))) == model.take(first, count)
            assert (subject.head, subject.known) == (model.head, model.known)
            assert subject.has_gap == (model.known > model.head)
            assert set(subject.early) == {offset for offset in model.received if offset > model.head}

    @settings(max_examples=100)
    @given(at=st.integers(0, 20), arrivals=arrivals, bound=st.integers(0, 3))
    def test_dropped_early_messages_can_be_read_again_without_loss(
        self, at: int, arrivals: list[tuple[int, int]], bound: int
    ) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, "EARLY_MESSAGES", bound)
            subject, out = stream(at), []
            for first, count in arrivals:
                out += subject.take(EPOCH, first, messages(first, count))
                assert len(subject.early) <= bound
            while subject.has_gap:
                page = messages(subject.head + 1, min(3, subject.known - subject.head))
                ready = subject.take(EPOCH, subject.head + 1, page)
                assert len(ready) >= len(page)
                out += ready
        assert offsets(out) == list(range(at + 1, subject.head + 1))
        assert subject.head == max([at, *(first + count - 1 for first, count in arrivals)])
        assert not subject.early

    @given(at=st.integers(0, 20), arrivals=arrivals)
    def test_recent_messages_are_the_last_ones_returned(self, at: int, arrivals: list[tuple[int, int]]) -> None:
        subject = stream(at)
        for first, count in arrivals:
            subject.take(EPOCH, first, messages(first, count))
        expected = messages(1, subject.head)[-RECENT:]
        assert list(subject.recent.frames) == expected
        for offset in range(subject.head + 2):
            known = offset + 1 >= subject.recent.first
            assert subject.recent.after(offset) == (messages(offset + 1, subject.head - offset) if known else None)


class TestGaps:
    def test_early_message_waits_for_the_missing_one(self) -> None:
        subject = stream(at=3)
        assert subject.take(EPOCH, 5, messages(5, 2)) == []
        assert subject.has_gap
        assert offsets(subject.take(EPOCH, 4, messages(4, 1))) == [4, 5, 6]
        assert not subject.has_gap

    def test_head_from_history_reveals_a_lost_last_message(self) -> None:
        subject = stream(at=3)
        subject.announce(EPOCH, 4)
        assert subject.has_gap
        assert offsets(subject.take(EPOCH, 4, messages(4, 1))) == [4]
        assert not subject.has_gap

    def test_outdated_head_changes_nothing(self) -> None:
        subject = stream(at=3)
        subject.announce(EPOCH, 2)
        assert (subject.known, subject.has_gap) == (3, False)

    def test_overlapping_page_adds_only_new_messages(self) -> None:
        assert offsets(stream(at=3).take(EPOCH, 1, messages(1, 5))) == [4, 5]

    def test_messages_already_returned_are_dropped(self) -> None:
        subject = stream(at=3)
        assert subject.take(EPOCH, 1, messages(1, 3)) == []
        assert not subject.early


class TestAnotherEpoch:
    @given(arrivals=arrivals, first=st.integers(1, 40))
    def test_messages_of_another_epoch_are_rejected_and_change_nothing(
        self, arrivals: list[tuple[int, int]], first: int
    ) -> None:
        subject = stream(at=2)
        for each, count in arrivals:
            subject.take(EPOCH, each, messages(each, count))
        before = repr(subject)
        with pytest.raises(EpochChangedError):
            subject.take("e2", first, messages(first, 3))
        with pytest.raises(EpochChangedError):
            subject.announce("e2", first)
        assert repr(subject) == before


class TestRecentMessages:
    def test_newest_returns_no_more_messages_than_are_held(self) -> None:
        recent = RecentMessages(limit=3, last=0)
        for frame in messages(1, 5):
            recent.append(frame)
        assert offsets(recent.newest(2)) == [4, 5]
        assert offsets(recent.newest(9)) == [3, 4, 5]

    def test_recent_messages_of_an_empty_room_cover_only_its_head(self) -> None:
        recent = RecentMessages(limit=3, last=7)
        assert recent.after(7) == []
        assert recent.after(6) is None


class TestRemembering:
    @settings(max_examples=100)
    @given(at=st.integers(0, 20), before=arrivals, after=arrivals)
    def test_memory_that_is_filled_later_is_consecutive_and_as_large_as_it_may_be(
        self, at: int, before: list[tuple[int, int]], after: list[tuple[int, int]]
    ) -> None:
        """A page of what precedes the oldest message is asked for, and answered after more has arrived."""
        subject = RoomStream.at(EPOCH, at, (), RECENT)
        for first, count in before:
            subject.take(EPOCH, first, messages(first, count))
        asked = subject.recent.first
        for first, count in after:
            subject.take(EPOCH, first, messages(first, count))
        first = max(1, asked - RECENT)
        subject.remember(EPOCH, first, messages(first, asked - first))
        assert list(subject.recent.frames) == messages(1, subject.head)[-RECENT:]
        assert subject.recent.last == subject.head

    def test_page_that_does_not_reach_the_oldest_message_is_ignored(self) -> None:
        subject = RoomStream.at(EPOCH, 9, (), RECENT)
        subject.remember(EPOCH, 4, messages(4, 3))
        assert not subject.recent.frames

    def test_page_of_another_epoch_is_rejected(self) -> None:
        subject = RoomStream.at(EPOCH, 9, (), RECENT)
        with pytest.raises(EpochChangedError):
            subject.remember("e2", 8, messages(8, 2))
        assert not subject.recent.frames
