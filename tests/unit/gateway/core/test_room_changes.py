"""The changes of one room are told by rev without gaps, and everything in memory is as new as what was told."""

from collections.abc import Callable, Iterator

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from chatterbox.wire.broker_events import Batch, ChangeBatch, ChangedMessage
from services.gateway.core import room_changes as module
from services.gateway.core.frame_writer import payload_of, text_frame
from services.gateway.core.room_changes import RoomChanges
from services.gateway.core.room_stream import EpochChangedError, RoomStream

EPOCH = "e1"
PAGE = 3

Step = tuple[str, int]
steps = st.lists(
    st.tuples(
        st.sampled_from(("send", "change", "change", "deliver", "deliver", "double", "lose", "ask", "answer", "look")),
        st.integers(0, 7),
    ),
    max_size=80,
)


def version(offset: int, rev: int) -> bytes:
    return b"%d as of %d" % (offset, rev)


def rev_of(payload: bytes) -> int:
    return int(payload.split()[-1])


class History:
    """The revs of each message that history has."""

    def __init__(self) -> None:
        self.rev = 0
        self.revs: list[int] = []

    def send(self) -> Batch:
        self.revs.append(0)
        return Batch(EPOCH, len(self.revs), (version(len(self.revs), 0),), self.rev)

    def change(self, offset: int) -> ChangeBatch:
        self.rev += 1
        self.revs[offset - 1] = self.rev
        return ChangeBatch(EPOCH, self.rev - 1, (ChangedMessage(offset, self.rev, version(offset, self.rev), b""),))

    def page(self, first: int) -> Batch:
        offsets = range(first, min(first + PAGE, len(self.revs) + 1))
        return Batch(EPOCH, first, tuple(version(offset, self.revs[offset - 1]) for offset in offsets), self.rev)

    def changes(self, after: int) -> tuple[ChangeBatch, int]:
        """A page of changes, and the rev up to which it is complete."""
        changed = sorted((rev, offset) for offset, rev in enumerate(self.revs, 1) if rev > after)
        page = changed[:PAGE]
        changes = tuple(ChangedMessage(offset, rev, version(offset, rev), b"") for rev, offset in page)
        return ChangeBatch(EPOCH, after, changes), page[-1][0] if len(changed) > PAGE else self.rev


class Harness:
    """A gateway's memory of one room, with payloads and pages of history on their way to it."""

    def __init__(self, recent: int = 4) -> None:
        self.history = History()
        self.stream = RoomStream.at(EPOCH, 0, [], recent)
        self.changes = RoomChanges(self.stream, 0)
        self.wire: list[Batch | ChangeBatch] = []
        self.answers: list[Callable[[], None]] = []

    def step(self, name: str, number: int) -> None:
        match name:
            case "send":
                self.wire.append(self.history.send())
            case "change" if self.history.revs:
                self.wire.append(self.history.change(1 + number % len(self.history.revs)))
            case "deliver" if self.wire:
                self.receive(self.wire.pop(number % len(self.wire)))
            case "double" if self.wire:
                self.receive(self.wire[number % len(self.wire)])
            case "lose" if self.wire:
                del self.wire[number % len(self.wire)]
            case "ask":
                self.answers += self.ask()
            case "answer" if self.answers:
                self.answers.pop(number % len(self.answers))()
            case "look" if self.history.revs:
                self.look(self.history.page(1 + number % len(self.history.revs)))

    def receive(self, payload: Batch | ChangeBatch) -> None:
        if isinstance(payload, ChangeBatch):
            self.tell(payload, 0)
            return
        self.take(payload, right=self.changes.right(payload.rev, payload.first, payload.frames))

    def take(self, batch: Batch, right: list[bytes] | None) -> None:
        if right is None:
            self.stream.announce(EPOCH, batch.first + len(batch.frames) - 1)
            return
        ahead = {
            offset: rev_of(payload)
            for offset, payload in enumerate(right, batch.first)
            if rev_of(payload) > self.changes.told
        }
        self.stream.take(EPOCH, batch.first, [text_frame(payload) for payload in right], ahead)

    def tell(self, batch: ChangeBatch, through: int) -> None:
        before = self.changes.told
        told = self.changes.take(batch.epoch, batch.after, batch.changes, through)
        revs = [before, *(change.rev for change in told)]
        assert revs == sorted(set(revs))
        assert self.changes.told >= revs[-1]
        assert self.changes.told == before or batch.after <= before
        self.changes.note_written()

    def ask(self) -> Iterator[Callable[[], None]]:
        """Read history now; the answers arrive at other times."""
        if self.stream.has_gap:
            page = self.history.page(self.stream.head + 1)
            yield lambda: self.take(page, self.right(page))
        if self.changes.has_gap:
            changes, through = self.history.changes(self.changes.told)
            yield lambda: self.tell(changes, through)

    def right(self, page: Batch) -> list[bytes] | None:
        revs = {offset: rev_of(payload) for offset, payload in enumerate(page.frames, page.first)}
        return self.changes.right(page.rev, page.first, page.frames, revs)

    def look(self, page: Batch) -> None:
        """Read a page; set right later, it has everything that was told by then."""

        def arrive() -> None:
            right = self.right(page)
            if right is None:
                assert page.rev < self.changes.floor
            else:
                self.check(dict(enumerate(right, page.first)))

        self.answers.append(arrive)

    def check(self, messages: dict[int, bytes]) -> None:
        """Each message is as it was told last, or newer, or will be told again."""
        for offset, payload in messages.items():
            now = self.history.revs[offset - 1]
            assert payload == version(offset, rev_of(payload))
            assert rev_of(payload) == now or now > self.changes.told

    def check_memory(self) -> None:
        recent = self.stream.recent
        self.check({offset: payload_of(frame) for offset, frame in enumerate(recent.frames, recent.first)})
        self.check({offset: payload_of(frame) for offset, frame in self.stream.early.items()})
        since = self.changes.since(self.changes.floor)
        assert since is not None
        changed = {change.offset: change.rev for change in since}
        for offset, rev in enumerate(self.history.revs, 1):
            if self.changes.floor < rev <= self.changes.told:
                assert changed[offset] == rev

    def settle(self) -> None:
        """Everything on its way arrives, and every gap is filled."""
        while self.wire:
            self.receive(self.wire.pop(0))
        self.stream.announce(EPOCH, len(self.history.revs))
        self.changes.announce(EPOCH, self.history.rev)
        while self.answers or self.stream.has_gap or self.changes.has_gap:
            self.answers += self.ask()
            self.answers.pop(0)()


class TestArbitraryArrivals:
    @settings(max_examples=300, deadline=None)
    @given(steps=steps, kept=st.integers(1, 4))
    @example(steps=[("send", 0), ("change", 0), ("deliver", 1), ("deliver", 0)], kept=4)
    @example(steps=[("send", 0), ("send", 0), ("deliver", 1), ("change", 1), ("deliver", 1)], kept=4)
    def test_everything_in_memory_is_as_new_as_what_was_told(self, steps: list[Step], kept: int) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, "KEPT_CHANGES", kept)
            subject = Harness()
            for step in steps:
                subject.step(*step)
                subject.check_memory()
                assert not subject.changes.is_large
            subject.settle()
        subject.check_memory()
        assert subject.changes.told == subject.history.rev
        assert subject.stream.head == len(subject.history.revs)
        assert not subject.stream.ahead


def changed(offset: int, rev: int) -> ChangedMessage:
    return ChangedMessage(offset, rev, version(offset, rev), b"")


def room(messages: int, rev: int = 0) -> RoomChanges:
    newest = [text_frame(version(offset, 0)) for offset in range(1, messages + 1)]
    return RoomChanges(RoomStream.at(EPOCH, messages, newest, 10), rev)


class TestGaps:
    def test_change_beyond_a_missing_one_is_not_told_and_reveals_the_gap(self) -> None:
        subject = room(3)
        assert subject.take(EPOCH, 1, [changed(2, 2)]) == []
        assert (subject.told, subject.known, subject.has_gap) == (0, 2, True)

    def test_page_of_changes_fills_the_gap(self) -> None:
        subject = room(3)
        subject.take(EPOCH, 1, [changed(2, 2)])
        assert subject.take(EPOCH, 0, [changed(1, 1), changed(2, 2)], through=2) == [changed(1, 1), changed(2, 2)]
        assert not subject.has_gap

    def test_page_of_changes_advances_to_its_end_although_its_last_change_is_older(self) -> None:
        subject = room(3)
        subject.take(EPOCH, 0, [changed(1, 1)], through=4)
        assert subject.told == 4

    def test_changes_told_before_are_told_only_once(self) -> None:
        subject = room(3)
        subject.take(EPOCH, 0, [changed(1, 1)])
        assert subject.take(EPOCH, 0, [changed(1, 1), changed(2, 2)]) == [changed(2, 2)]

    def test_rev_from_history_reveals_a_lost_last_change(self) -> None:
        subject = room(3, rev=4)
        subject.announce(EPOCH, 5)
        assert subject.has_gap


class TestMemory:
    def test_only_the_last_change_of_a_message_is_kept(self) -> None:
        subject = room(3)
        for rev in range(1, 11):
            subject.take(EPOCH, rev - 1, [changed(2, rev)])
        assert subject.since(0) == [changed(2, 10)]

    def test_changes_since_a_rev_are_those_of_the_messages_asked_for(self) -> None:
        subject = room(3)
        subject.take(EPOCH, 0, [changed(1, 1), changed(2, 2), changed(3, 3)])
        assert subject.since(0, first=2) == [changed(2, 2), changed(3, 3)]
        assert subject.since(1, last=2) == [changed(2, 2)]

    def test_changes_before_the_floor_are_not_in_memory(self) -> None:
        subject = room(3, rev=5)
        assert subject.since(4) is None
        assert subject.since(5) == []

    def test_changes_beyond_the_bound_are_dropped_once_they_are_written(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "KEPT_CHANGES", 1)
        subject = room(3)
        subject.take(EPOCH, 0, [changed(1, 1), changed(2, 2), changed(3, 3)])
        assert (subject.floor, subject.is_large) == (0, True)
        subject.note_written()
        assert (subject.floor, subject.is_large) == (2, False)
        assert subject.since(2) == [changed(3, 3)]

    def test_large_changes_are_dropped_by_size(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "KEPT_BYTES", len(version(1, 1)))
        subject = room(3)
        subject.take(EPOCH, 0, [changed(1, 1), changed(2, 2)])
        subject.note_written()
        assert subject.since(1) == [changed(2, 2)]

    def test_page_ahead_of_the_changes_told_is_not_replaced_by_an_older_change(self) -> None:
        """History was read when the message had changed twice; the first change arrives after that."""
        stream = RoomStream.at(EPOCH, 0, [], 10)
        subject = RoomChanges(stream, 0)
        stream.take(EPOCH, 1, [text_frame(version(1, 2))], {1: 2})
        subject.take(EPOCH, 0, [changed(1, 1)])
        assert list(stream.recent.frames) == [text_frame(version(1, 2))]
        subject.take(EPOCH, 1, [changed(1, 2)])
        subject.take(EPOCH, 2, [changed(1, 3)])
        assert list(stream.recent.frames) == [text_frame(version(1, 3))]

    def test_messages_held_early_are_no_longer_ahead_once_older_ones_took_their_place(self) -> None:
        stream = RoomStream.at(EPOCH, 0, [], 10)
        subject = RoomChanges(stream, 0)
        stream.take(EPOCH, 2, [text_frame(version(2, 2))], {2: 2})
        stream.take(EPOCH, 1, [text_frame(version(1, 0)), text_frame(version(2, 0))])
        subject.take(EPOCH, 0, [changed(2, 1)])
        assert list(stream.recent.frames)[-1] == text_frame(version(2, 1))

    def test_early_message_that_is_ahead_stays_when_it_comes_again(self) -> None:
        stream = RoomStream.at(EPOCH, 0, [], 10)
        stream.take(EPOCH, 2, [text_frame(version(2, 2))], {2: 2})
        stream.take(EPOCH, 2, [text_frame(version(2, 0))])
        RoomChanges(stream, 0).take(EPOCH, 0, [changed(2, 1)])
        assert stream.early == {2: text_frame(version(2, 2))}


class TestSettingRight:
    """Messages of a page, or of a payload that is late."""

    @pytest.fixture
    def subject(self, monkeypatch: pytest.MonkeyPatch) -> RoomChanges:
        """A room that was told the changes 1 to 3, and remembers the last two."""
        monkeypatch.setattr(module, "KEPT_CHANGES", 2)
        subject = room(3)
        subject.take(EPOCH, 0, [changed(1, 1), changed(2, 2), changed(3, 3)])
        subject.note_written()
        return subject

    def test_messages_are_replaced_by_what_was_told_since(self, subject: RoomChanges) -> None:
        old = [version(1, 1), version(2, 0), version(3, 0)]
        assert subject.right(1, 1, old) == [version(1, 1), version(2, 2), version(3, 3)]

    def test_messages_older_than_memory_must_be_read_again(self, subject: RoomChanges) -> None:
        assert subject.right(0, 1, [version(1, 0)]) is None

    def test_messages_as_of_the_last_change_stay(self, subject: RoomChanges) -> None:
        assert subject.right(3, 2, [version(2, 7)]) == [version(2, 7)]

    def test_message_that_is_newer_than_its_last_change_stays(self, subject: RoomChanges) -> None:
        assert subject.right(2, 2, [version(2, 2), version(3, 5)], {2: 2, 3: 5}) == [version(2, 2), version(3, 5)]


class TestAnotherEpoch:
    def test_changes_of_another_epoch_are_rejected_and_change_nothing(self) -> None:
        subject = room(3)
        with pytest.raises(EpochChangedError):
            subject.take("e2", 0, [changed(1, 1)])
        with pytest.raises(EpochChangedError):
            subject.announce("e2", 7)
        assert (subject.told, subject.known, subject.since(0)) == (0, 0, [])
