"""States are used again exactly while no commit can have changed them."""

from itertools import count

from chatterbox.wire.read_state import ReadState
from services.history.core.room_activity import RoomActivity
from services.history.reads.read_activity import ReadActivity
from services.history.reads.read_state_cache import ReadStateCache

ADA, BOB = 1, 2
OPS, DEV = 7, 8
STATE = ReadState(read=3, counted=5)


class Site:
    """A cache, and what notes commits."""

    def __init__(self, most_states: int = 100) -> None:
        runs = count()
        self.reads = ReadActivity(lambda: f"run {next(runs)}")
        self.rooms = RoomActivity(lambda: f"run {next(runs)}")
        self.cache = ReadStateCache(self.reads, self.rooms, most_states)

    def read(self, *user_ids: int, rooms: tuple[int, ...] = (OPS,)) -> None:
        """Users are asked for."""
        self.cache.keep(self.cache.cursors(), {user_id: dict.fromkeys(rooms, STATE) for user_id in user_ids})


def test_states_are_used_again_until_their_user_or_one_of_their_rooms_changes() -> None:
    site = Site()
    site.read(ADA, BOB)
    site.reads.note([BOB])
    site.rooms.note([DEV])
    assert site.cache.find([ADA, BOB, 3]) == {ADA: {OPS: STATE}}
    site.rooms.note([OPS])
    assert site.cache.find([ADA]) == {}
    assert len(site.cache) == 0


def test_a_commit_while_states_are_read_makes_them_out_of_date() -> None:
    site = Site()
    cursors = site.cache.cursors()
    site.rooms.note([OPS])
    site.cache.keep(cursors, {ADA: {OPS: STATE}})
    assert site.cache.find([ADA]) == {}


def test_nothing_is_used_again_after_a_commit_that_may_have_changed_anything() -> None:
    for change in (Site.read, lambda site: site.reads.note_all(), lambda site: site.reads.restart(),
                   lambda site: site.rooms.restart()):  # fmt: skip
        site = Site()
        site.read(ADA)
        change(site)
        assert (ADA in site.cache.find([ADA])) is (change is Site.read)


def test_the_number_of_states_is_bounded_and_the_least_recently_used_are_forgotten() -> None:
    site = Site(most_states=9)
    for user_id in range(1, 4):
        site.read(user_id, rooms=(OPS, DEV))
    assert set(site.cache.find([2, 3, 1])) == {1, 2, 3}
    site.read(4, rooms=(OPS, DEV))
    assert set(site.cache.find([1, 2, 3, 4])) == {1, 3, 4}
    site.read(5, rooms=tuple(range(20)))
    assert set(site.cache.find(range(10))) == set()
    assert len(site.cache) == 0


def test_a_user_who_is_read_again_is_kept_once() -> None:
    site = Site()
    for _ in range(10):
        site.read(ADA)
    assert len(site.cache) == 2
