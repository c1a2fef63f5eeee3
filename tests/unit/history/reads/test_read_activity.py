"""Who keeps what was read is told each change, however commits and reads interleave."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count

from hypothesis import given
from hypothesis import strategies as st

from services.history.reads.read_activity import ReadActivity, ReadCursor

USERS = 4


def activity(most: int = 2) -> ReadActivity:
    runs = count()
    return ReadActivity(lambda: f"run {next(runs)}", most)


@dataclass
class Site:
    """One writer and two readers who keep what they read; each does its next step when it is told to."""

    activity: ReadActivity = field(default_factory=activity)
    states: list[int] = field(default_factory=lambda: [0] * USERS)
    """What readers see."""

    def write(self, user_id: int, *, is_known: bool) -> Iterator[None]:
        self.states[user_id] += 1
        yield
        if is_known:
            self.activity.note([user_id])
        else:
            self.activity.note_all()

    def ask(self, known: list[int]) -> Iterator[None]:
        """Read, or use again what was read; at the end, `known` is what is kept."""
        cursors: dict[int, ReadCursor] = {}
        while True:
            cursor = self.activity.cursor
            changed = [
                user_id
                for user_id in range(USERS)
                if user_id not in cursors or not self.activity.is_unchanged(user_id, cursors[user_id])
            ]
            yield
            read = {user_id: self.states[user_id] for user_id in changed}
            yield
            for user_id, state in read.items():
                known[user_id], cursors[user_id] = state, cursor
            yield


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, USERS - 1), st.booleans()), max_size=80))
def test_no_change_is_missed_however_commits_and_reads_interleave(steps: list[tuple[int, int, bool]]) -> None:
    site = Site()
    known = [[0] * USERS for _ in range(2)]
    gateways = [site.ask(each) for each in known]
    writing: Iterator[None] | None = None
    for who, user_id, is_known in steps:
        if who < 2:
            next(gateways[who])
        elif writing is None:
            writing = site.write(user_id, is_known=is_known)
            next(writing)
        else:
            next(writing, None)
            writing = None
    if writing is not None:
        next(writing, None)
    for gateway in gateways:
        for _ in range(6):  # a question that may be under way, and one more
            next(gateway)
    assert known == [site.states] * 2


def test_users_who_are_not_remembered_any_more_count_as_changed() -> None:
    subject = activity(most=2)
    before = subject.cursor
    for user_id in range(100):
        subject.note([user_id])
    assert [subject.is_unchanged(user_id, before) for user_id in (0, 97, 98, 99, 500)] == [False] * 5
    after = subject.cursor
    assert all(subject.is_unchanged(user_id, after) for user_id in (0, 99, 500))


def test_others_stay_unchanged_when_one_user_changes() -> None:
    subject = activity()
    before = subject.cursor
    subject.note([1])
    assert not subject.is_unchanged(1, before)
    assert subject.is_unchanged(2, before)


def test_cursors_of_another_run_are_of_no_use() -> None:
    subject = activity()
    before = subject.cursor
    subject.restart()
    assert not subject.is_unchanged(1, before)
    assert subject.is_unchanged(1, subject.cursor)
