"""A gateway that asks for what changed since its last cursor misses no commit, however commits and reads interleave."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count

from hypothesis import given
from hypothesis import strategies as st

from chatterbox.wire.history_api import HeadsCursor
from services.history.core.room_activity import RoomActivity

ROOMS = 4


def activity() -> RoomActivity:
    runs = count()
    return RoomActivity(lambda: f"run {next(runs)}")


@dataclass
class Site:
    """One writer and two gateways; each does its next step when it is told to."""

    activity: RoomActivity = field(default_factory=activity)
    heads: list[int] = field(default_factory=lambda: [0] * ROOMS)
    """What readers see."""

    def write(self, room_id: int) -> Iterator[None]:
        self.heads[room_id] += 1
        yield
        self.activity.note([room_id])

    def compare(self, known: list[int], cursor: HeadsCursor) -> Iterator[None]:
        """Answer a gateway; at the end, `known` is what it was told."""
        while True:
            next_cursor, changed = self.activity.cursor, self.activity.since(cursor)
            assert changed is not None
            yield
            read = {room_id: self.heads[room_id] for room_id in changed}
            yield
            for room_id, head in read.items():
                known[room_id] = max(known[room_id], head)
            cursor = next_cursor
            yield


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, ROOMS - 1)), max_size=80))
def test_no_commit_is_missed_however_commits_and_reads_interleave(steps: list[tuple[int, int]]) -> None:
    site = Site()
    known = [[0] * ROOMS for _ in range(2)]
    gateways = [site.compare(each, site.activity.cursor) for each in known]
    writing: Iterator[None] | None = None
    for who, room_id in steps:
        if who < 2:
            next(gateways[who])
        elif writing is None:
            writing = site.write(room_id)
            next(writing)
        else:
            next(writing, None)
            writing = None
    if writing is not None:
        next(writing, None)
    for gateway in gateways:
        for _ in range(6):  # a comparison that may be under way, and one more
            next(gateway)
    assert known == [site.heads] * 2


def test_memory_is_bounded_by_the_number_of_rooms() -> None:
    subject = activity()
    for number in range(1000):
        subject.note([number % 7, number % 5])
    everything = HeadsCursor("run 0", 0)
    assert sorted(subject.since(everything) or ()) == list(range(7))
    subject.forget(3)
    assert sorted(subject.since(everything) or ()) == [0, 1, 2, 4, 5, 6]


def test_rooms_are_told_once_the_last_one_first() -> None:
    subject = activity()
    for room_id in (1, 2, 3, 1):
        subject.note([room_id])
    assert subject.since(HeadsCursor("run 0", 1)) == [1, 3, 2]
    assert subject.since(subject.cursor) == []


def test_cursors_of_another_run_cannot_be_compared() -> None:
    subject = activity()
    subject.note([1])
    before = subject.cursor
    subject.restart()
    assert subject.since(before) is None
    assert subject.since(subject.cursor) == []
