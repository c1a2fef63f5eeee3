"""The cache of names for completion."""

import stat
from pathlib import Path

from chatterbox.wire import frames
from chatterbox.wire.position import Position
from client.core import notes
from client.store.name_cache import LIMIT, CachedNames, NameCache, learned, load, name_cache_path
from tests.unit.client.world import message, room_state


def summary(room: str, *, member: bool) -> frames.RoomSummary:
    return frames.RoomSummary(room=room, private=False, member=member, members=1, at=Position("e", 0))


def after(*told: notes.Note) -> CachedNames:
    names = CachedNames()
    for note in told:
        names = learned(names, note)
    return names


class TestRooms:
    def test_cached_rooms_are_those_of_the_welcome(self) -> None:
        connected = notes.WelcomeReceived("alice", (room_state(0), room_state(0, room="ops")), 0, again=False)
        assert after(connected).rooms == ("general", "ops")

    def test_cached_rooms_follow_joins_and_leaves(self) -> None:
        made = frames.Created(id=1, room="dev", private=False, at=Position("e", 0))
        left = frames.Left(id=2, room="ops")
        names = after(
            notes.RoomEntered("ops", ()),
            notes.CommandAnswered(frames.CreateRoom(id=1, room="dev"), made),
            notes.CommandAnswered(frames.Leave(id=2, room="ops"), left),
            notes.RoomGone("nowhere"),
        )
        assert (names.rooms, names.other_rooms) == (("dev",), ("nowhere", "ops"))

    def test_deleted_rooms_are_forgotten(self) -> None:
        """There is nobody left who could invite the user again."""
        names = after(
            *(notes.RoomEntered(room, ()) for room in ("ops", "dev", "den")),
            notes.CommandAnswered(frames.Leave(id=2, room="ops"), frames.Left(id=2, room="ops", deleted=True)),
            notes.CommandAnswered(frames.DeleteRoom(id=3, room="dev"), frames.DeletedRoom(id=3, room="dev")),
            notes.RoomGone("den", notes.GoneReason.DELETED, "bob"),
        )
        assert (names.rooms, names.other_rooms) == ((), ())

    def test_listed_rooms_are_split_by_membership(self) -> None:
        listed = frames.RoomList(id=1, rooms=[summary("ops", member=True), summary("dev", member=False)])
        names = after(notes.RoomEntered("ops", ()), notes.CommandAnswered(frames.ListRooms(id=1), listed))
        assert (names.rooms, names.other_rooms) == (("ops",), ("dev",))


class TestPeople:
    def test_cached_people_have_the_last_speaker_first(self) -> None:
        names = after(*(notes.MessageShown(message(1, username=name), mine=False) for name in ("bob", "cara", "bob")))
        assert names.people == ("bob", "cara")

    def test_cached_people_exclude_the_user(self) -> None:
        came = frames.Membership(room="ops", username="dan", member=True)
        names = after(
            notes.MessageShown(message(1, username="alice"), mine=True), notes.MembershipChange(came, mine=False)
        )
        assert names.people == ("dan",)

    def test_cached_people_are_limited(self) -> None:
        names = after(
            *(notes.MessageShown(message(1, username=f"u{number}"), mine=False) for number in range(LIMIT + 10))
        )
        assert len(names.people) == LIMIT
        assert names.people[0] == f"u{LIMIT + 9}"


class TestChanges:
    def test_history_replaced_since_the_last_run_is_reported_once(self, tmp_path: Path) -> None:
        path = tmp_path / "known.json"
        with NameCache(path) as known:
            assert known.changes([room_state(3), room_state(3, room="ops")]) == []
        now = [room_state(2, epoch="e2"), room_state(3, room="ops"), room_state(1, room="new")]
        with NameCache(path) as known:
            assert known.changes(now) == [notes.RoomReset("general", Position("e2", 2))]
        with NameCache(path) as known:
            assert known.changes(now) == []

    def test_room_gone_since_the_last_run_is_reported_once_unless_it_was_left(self, tmp_path: Path) -> None:
        with NameCache(tmp_path / "known.json") as known:
            known.changes([room_state(0, room=name) for name in ("general", "dev", "ops")])
            left = notes.CommandAnswered(frames.Leave(id=1, room="dev"), frames.Left(id=1, room="dev"))
            known.learning(lambda _: None)(left)
            assert known.changes([room_state(0)]) == [notes.RoomGone("ops")]
            assert known.changes([room_state(0)]) == []


class TestFile:
    def test_name_cache_is_saved_and_loaded(self, tmp_path: Path) -> None:
        path = name_cache_path(tmp_path, "http://x", "Alice")
        shown: list[notes.Note] = []
        with NameCache(path) as known:
            show = known.learning(shown.append)
            show(notes.RoomEntered("ops", ()))
            assert load(path).rooms == ("ops",)
            known.learn(people=["bob"], sessions=["5b1c"])
        assert load(path) == CachedNames(("ops",), (), ("bob",), ("5b1c",))
        assert shown == [notes.RoomEntered("ops", ())]
        assert stat.S_IMODE(path.stat().st_mode) == 0o600

    def test_damaged_or_unwritable_name_cache_raises_nothing(self, tmp_path: Path) -> None:
        path = tmp_path / "known.json"
        path.write_bytes(b"\xff{")
        assert load(path) == CachedNames()
        (tmp_path / "file").write_text("")
        with NameCache(tmp_path / "file" / "known.json") as known:
            known.learn(people=["bob"])
