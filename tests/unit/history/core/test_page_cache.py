"""Encoded pages in memory: bounded, and never older than the last commit that was followed."""

from hypothesis import given
from hypothesis import strategies as st

from chatterbox.wire.broker_events import MembershipChanged, RoomDeleted, RoomEvent
from services.history.core.append_plan import AppendPlan, RoomTail
from services.history.core.change_plan import ChangePlan
from services.history.core.page_cache import OVERHEAD_BYTES, PAGES_OF_ROOM, CachedRoom, EncodedPage, PageCache

ADA, BOB = 1, 2
NOTHING = AppendPlan()


def page(text: bytes = b"[]", *, is_closed: bool = False) -> EncodedPage:
    return EncodedPage(text, b'"e"', b"0", is_closed)


def appended(*room_ids: int) -> AppendPlan:
    return AppendPlan(tails={room_id: RoomTail("x", "e", 1, 0) for room_id in room_ids})


def changed(*room_ids: int) -> AppendPlan:
    return AppendPlan(changes=ChangePlan(changed={room_id: {} for room_id in room_ids}))


def left(room_id: int, user_id: int) -> RoomEvent:
    return MembershipChanged(
        revision=1, room_id=room_id, room="x", private=False, user_id=user_id, username="u", member=False, by="u"
    )


def deleted(room_id: int) -> RoomEvent:
    return RoomDeleted(revision=1, room_id=room_id, room="x", by="u")


def with_member(cache: PageCache, room_id: int = 5, user_id: int = ADA) -> CachedRoom:
    return cache.add_member(f"room-{room_id}", room_id, user_id, endings=cache.endings)


def test_pages_of_other_rooms_stay() -> None:
    cache = PageCache()
    room, other = with_member(cache), with_member(cache, 6)
    cache.put(cache.ticket(room), "a", page())
    cache.put(cache.ticket(other), "a", page())
    cache.follow([], changed(5))
    assert (list(room.pages), list(other.pages)) == ([], ["a"])


def test_new_messages_drop_only_pages_that_they_change() -> None:
    cache = PageCache()
    room = with_member(cache)
    cache.put(cache.ticket(room), "newest", page())
    cache.put(cache.ticket(room), "far back", page(is_closed=True))
    cache.follow([], appended(5))
    assert list(room.pages) == ["far back"]
    cache.follow([], changed(5))
    assert not room.pages


def test_page_that_was_read_before_a_commit_is_not_kept() -> None:
    for commit, is_closed, is_kept in (
        (appended(5), False, False),
        (appended(5), True, True),
        (changed(5), True, False),
        (appended(6), False, True),
    ):
        cache = PageCache()
        room = with_member(cache)
        ticket = cache.ticket(room)
        cache.follow([], commit)
        cache.put(ticket, "a", page(is_closed=is_closed))
        assert bool(room.pages) is is_kept


def test_page_of_a_room_that_was_dropped_meanwhile_is_not_kept() -> None:
    cache = PageCache()
    ticket = cache.ticket(with_member(cache))
    cache.follow([deleted(5)], NOTHING)
    with_member(cache)
    cache.put(ticket, "a", page())
    assert not ticket.room.pages
    assert cache.size_bytes == OVERHEAD_BYTES


def test_membership_counts_until_it_ends() -> None:
    cache = PageCache()
    assert cache.room_of("room-5", ADA) is None
    with_member(cache)
    with_member(cache, user_id=BOB)
    assert cache.room_of("room-5", ADA) is cache.room_of("room-5", BOB) is not None
    cache.follow([left(5, ADA)], NOTHING)
    assert cache.room_of("room-5", ADA) is None
    assert cache.room_of("room-5", BOB) is not None
    cache.follow([deleted(5)], NOTHING)
    assert cache.room_of("room-5", BOB) is None


def test_membership_that_was_read_before_one_ended_is_not_kept() -> None:
    cache = PageCache()
    endings = cache.endings
    cache.follow([left(5, ADA)], NOTHING)
    cache.add_member("room-5", 5, ADA, endings=endings)
    assert cache.room_of("room-5", ADA) is None


def test_room_has_a_limited_number_of_pages() -> None:
    cache = PageCache()
    room = with_member(cache)
    for number in range(PAGES_OF_ROOM + 3):
        cache.put(cache.ticket(room), number, page())
    assert list(room.pages) == list(range(3, PAGES_OF_ROOM + 3))


def test_least_recently_used_room_is_dropped_when_there_is_too_much() -> None:
    cache = PageCache(cached_bytes=3 * (1000 + 2 * OVERHEAD_BYTES))
    rooms = [with_member(cache, room_id) for room_id in (1, 2, 3)]
    for room in rooms:
        cache.put(cache.ticket(room), "a", page(b"x" * 1000))
    assert cache.room_of("room-1", ADA) is rooms[0]
    with_member(cache, 4)
    assert cache.room_of("room-2", ADA) is None
    assert [cache.room_of(f"room-{room_id}", ADA) is not None for room_id in (1, 3, 4)] == [True, True, True]


def test_members_are_limited_over_all_rooms() -> None:
    cache = PageCache(cached_members=10)
    for user_id in range(1, 9):
        with_member(cache, 1, user_id)
    for user_id in range(1, 5):
        with_member(cache, 2, user_id)
    assert cache.room_of("room-1", 1) is None
    assert cache.room_of("room-2", 4) is not None


STEPS = st.one_of(
    st.tuples(st.just("join"), st.integers(1, 3), st.integers(1, 2)),
    st.tuples(st.just("begin"), st.integers(1, 3), st.integers(0, 3)),
    st.tuples(st.just("end"), st.integers(0, 5), st.just(0)),
    st.tuples(st.sampled_from(["append", "change", "delete", "fail"]), st.integers(1, 3), st.just(0)),
    st.tuples(st.just("leave"), st.integers(1, 3), st.integers(1, 2)),
)


@given(st.lists(STEPS, max_size=60))
def test_whatever_happens_no_page_is_old_and_what_is_counted_is_there(steps: list[tuple[str, int, int]]) -> None:
    """A page is the state of its room when it was read: of messages and changes, a closed one of changes only."""
    cache = PageCache(cached_bytes=6 * OVERHEAD_BYTES)
    versions: dict[int, list[int]] = {room_id: [0, 0] for room_id in (1, 2, 3)}
    members: set[tuple[int, int]] = set()
    reading = []
    for step, number, other in steps:
        if step == "join":
            members.add((number, other))
            with_member(cache, number, other)
        elif step == "begin" and (room := cache.room_of(f"room-{number}", ADA)) is not None:
            appends, changes = versions[number]
            is_closed = other % 2 == 0
            body = f"{0 if is_closed else appends} {changes}".encode()
            reading.append((cache.ticket(room), other, page(body, is_closed=is_closed)))
        elif step == "end" and reading:
            cache.put(*reading.pop(number % len(reading)))
        elif step == "append":
            versions[number][0] += 1
            cache.follow([], appended(number))
        elif step == "change":
            versions[number][1] += 1
            cache.follow([], changed(number))
        elif step in {"delete", "fail"}:
            versions[number][1] += 1
            members = {member for member in members if member[0] != number}
            cache.clear() if step == "fail" else cache.follow([deleted(number)], NOTHING)
        elif step == "leave":
            members.discard((number, other))
            cache.follow([left(number, other)], NOTHING)
        bytes_there = 0
        for room_id, room in cache._rooms.items():
            appends, changes = versions[room_id]
            assert {(room_id, user_id) for user_id in room.members} <= members
            for kept in room.pages.values():
                assert kept.body == f"{0 if kept.is_closed else appends} {changes}".encode()
            bytes_there += OVERHEAD_BYTES + sum(len(kept.body) + OVERHEAD_BYTES for kept in room.pages.values())
        assert cache.size_bytes == bytes_there <= 6 * OVERHEAD_BYTES
        assert cache._members == sum(len(room.members) for room in cache._rooms.values())
