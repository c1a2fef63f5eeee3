"""Comparisons that begin at the lowest cursor find each lost message, however openings and comparisons interleave."""

from collections.abc import Iterator
from itertools import count

from hypothesis import given, settings
from hypothesis import strategies as st

from chatterbox.wire.history_api import HeadsCursor
from services.gateway.core.heads_progress import HeadsProgress
from services.history.core.room_activity import RoomActivity

ROOMS = 2
often, seldom = ["commit", "open", "compare", "compare"], ["close", "fail", "restart"]
steps = st.lists(st.tuples(st.sampled_from(4 * often + seldom), st.integers(0, ROOMS - 1)), min_size=10, max_size=40)


class Site:
    """History, and a gateway whose broker delivers nothing. Each call is read at one step and answered at the next."""

    def __init__(self) -> None:
        runs = count()
        self.activity = RoomActivity(lambda: f"run {next(runs)}")
        self.heads = [0] * ROOMS
        self.known: dict[int, int] = {}
        """The heads of the open rooms, as the gateway knows them."""
        self.progress = HeadsProgress()
        self.opening: dict[int, Iterator[None]] = {}
        self.comparing: Iterator[None] | None = None

    def commit(self, room: int) -> None:
        self.heads[room] += 1
        self.activity.note([room])

    def open(self, room: int) -> None:
        """Begin to open a room; at the next call, it is open."""
        if room in self.opening:
            next(self.opening.pop(room), None)
        elif room not in self.known:
            self.opening[room] = self._open(room)
            next(self.opening[room])

    def _open(self, room: int) -> Iterator[None]:
        head, cursor = self.heads[room], self.activity.cursor
        yield
        self.known[room] = head
        self.progress.note_opened(cursor)

    def close(self, room: int) -> None:
        self.known.pop(room, None)

    def compare(self) -> None:
        """Begin a comparison, or do the next step of the one that is in flight."""
        if self.comparing is None:
            self.comparing = self._compare()
        try:
            next(self.comparing)
        except StopIteration:
            self.comparing = None

    def _compare(self) -> Iterator[None]:
        since, cursor = self.progress.begin(), self.activity.cursor
        rooms = None if since is None else self.activity.since(since)
        if rooms is None:
            yield
            rooms, cursor = list(self.known), self.activity.cursor
        read = {room: self.heads[room] for room in rooms}
        yield
        for room in read.keys() & self.known.keys():
            self.known[room] = max(self.known[room], read[room])
        self.progress.end(cursor)

    def fail(self) -> None:
        """History does not answer the comparison that is in flight."""
        self.comparing = None

    def restart(self) -> None:
        self.activity.restart()


@settings(max_examples=500)
@given(steps)
def test_each_lost_message_is_found_by_a_later_comparison(steps: list[tuple[str, int]]) -> None:
    site = Site()
    for what, room in steps:
        match what:
            case "commit":
                site.commit(room)
            case "open":
                site.open(room)
            case "close":
                site.close(room)
            case "compare":
                site.compare()
            case "fail":
                site.fail()
            case _:
                site.restart()
    for room in list(site.opening):
        site.open(room)
    site.fail()
    for _ in range(4):
        site.compare()
    assert site.known == {room: site.heads[room] for room in site.known}


def test_quiet_comparison_moves_the_cursor_on() -> None:
    site = Site()
    site.commit(1)
    for _ in range(3):
        site.compare()
    assert site.progress.since == site.activity.cursor


def test_lowest_cursor_of_several_rooms_opened_during_a_comparison_counts() -> None:
    progress = HeadsProgress()
    progress.begin()
    for number in (4, 7, 5):
        progress.note_opened(HeadsCursor("run", number))
    progress.end(HeadsCursor("run", 9))
    assert progress.since == HeadsCursor("run", 4)


def test_cursors_of_different_runs_mean_that_each_room_is_asked_for() -> None:
    progress = HeadsProgress()
    progress.begin()
    progress.end(HeadsCursor("run", 4))
    progress.note_opened(HeadsCursor("another run", 1))
    assert progress.since is None
