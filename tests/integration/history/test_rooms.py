"""Rooms and memberships: visibility, creating, joining, leaving, inviting, and the events for gateways."""

import asyncio
from itertools import product

import pytest

from chatterbox.wire import history_api
from chatterbox.wire.broker_events import CONTROL, MembershipChanged, decode_control
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.limits import Limits
from tests.support.history import Service, Start, code, until


@pytest.fixture
async def rooms(history: Service) -> Service:
    """Alice is in the public `pub` and the private `priv`; bob in `general` only."""
    await history.do("POST", "/rooms", "alice", {"room": "pub"})
    await history.do("POST", "/rooms", "alice", {"room": "priv", "private": True})
    return history


class TestVisibility:
    async def test_a_private_room_looks_nonexistent_to_non_members(self, rooms: Service) -> None:
        unknown = [await self._answers(rooms, "bob", name) for name in ("priv", "nowhere")]
        assert unknown[0] == unknown[1]
        assert {answer[0] for answer in unknown[0]} == {404}

    async def test_a_public_room_is_visible_to_non_members_but_not_readable(self, rooms: Service) -> None:
        status = [answer[0] for answer in await self._answers(rooms, "bob", "pub", join=False)]
        assert status == [403, 200, 403, 403]
        assert code(await rooms.get("/messages", "bob", room="pub")) == (403, Code.NOT_A_MEMBER)

    async def test_members_can_read_public_and_private_rooms(self, rooms: Service) -> None:
        for name in ("pub", "priv"):
            assert {answer[0] for answer in await self._answers(rooms, "alice", name)} == {200}

    async def _answers(self, rooms: Service, user: str, name: str, *, join: bool = True) -> list[tuple[int, object]]:
        """The answers to a user at every path that names a room."""
        answers = [
            await rooms.get("/messages", user, room=name),
            await rooms.get(f"/rooms/{name}", user),
            await rooms.get(f"/rooms/{name}/members", user),
            await rooms.do("POST", f"/rooms/{name}/members", user, {"username": "alice"}),
        ]
        if join:
            answers.append(await rooms.do("PUT", f"/rooms/{name}/members/me", user))
        return [(answer.status_code, answer.json()) for answer in answers]

    async def test_internal_calls_apply_the_same_visibility_rules(self, rooms: Service) -> None:
        for path, name in product(("join", "leave"), ("priv", "nowhere")):
            body = history_api.JoinRoomCall(name, rooms.auth.names["bob"], "bob")
            with pytest.raises(ChatError) as refused:
                await rooms.ask(path, body, history_api.RoomInfo)
            assert refused.value.code == Code.ROOM_UNKNOWN

    async def test_the_room_list_has_own_rooms_first_then_public_ones(self, rooms: Service) -> None:
        alices = (await rooms.get("/rooms", "alice")).json()
        bobs = (await rooms.get("/rooms", "bob")).json()
        assert [(room["room"], room["member"], room["members"]) for room in alices] == [
            ("general", True, 2),
            ("priv", True, 1),
            ("pub", True, 1),
        ]
        assert [(room["room"], room["member"], room["private"]) for room in bobs] == [
            ("general", True, False),
            ("pub", False, False),
        ]
        listing = await rooms.ask("rooms", history_api.ListRoomsCall(rooms.auth.names["bob"]), history_api.RoomListing)
        assert [(room.room, room.member) for room in listing.rooms] == [("general", True), ("pub", False)]

    async def test_a_private_room_is_invisible_after_leaving_it(self, rooms: Service) -> None:
        await rooms.invite("priv", "alice", "bob")
        assert (await rooms.get("/rooms/priv", "bob")).status_code == 200
        await rooms.do("DELETE", "/rooms/priv/members/me", "bob")
        assert code(await rooms.get("/rooms/priv", "bob")) == (404, Code.ROOM_UNKNOWN)


class TestCreating:
    async def test_a_new_room_has_its_creator_as_only_member_and_no_messages(self, history: Service) -> None:
        answer = await history.do("POST", "/rooms", "alice", {"room": "ops", "private": True})
        made = answer.json()
        assert answer.status_code == 201
        assert len(made.pop("epoch")) == 8
        assert made == {
            "room": "ops",
            "private": True,
            "member": True,
            "members": 1,
            "head": 0,
            "topic": "",
            "created": "2026-09-21T14:13:20.000Z",
            "creator": "alice",
        }

    async def test_room_names_are_compared_after_normalization(self, history: Service) -> None:
        assert (await history.do("POST", "/rooms", "alice", {"room": "Straße"})).json()["room"] == "strasse"
        for spelling in ("STRASSE", "strasse", "ｓｔｒａｓｓｅ"):  # noqa: RUF001
            assert (await history.get(f"/rooms/{spelling}")).json()["room"] == "strasse"
            answer = await history.do("POST", "/rooms", "alice", {"room": spelling})
            assert code(answer) == (409, Code.ROOM_EXISTS)

    async def test_a_taken_room_name_is_refused_alike_for_public_and_private_rooms(self, rooms: Service) -> None:
        taken = [await rooms.do("POST", "/rooms", "bob", {"room": name}) for name in ("pub", "priv", "general")]
        assert {code(answer) for answer in taken} == {(409, Code.ROOM_EXISTS)}
        assert len({answer.text for answer in taken}) == 1

    async def test_creating_a_room_with_invalid_fields_is_refused(self, history: Service) -> None:
        bodies: list[object] = [None, [], {}, {"room": 1}, {"room": "x" * 300}, {"room": "ok", "private": "maybe"}]
        for body in bodies:
            assert code(await history.do("POST", "/rooms", "alice", body)) == (422, Code.BAD_REQUEST), body
        for name in ("", "-x", "a b", "x" * 41, "\u202e"):
            answer = await history.do("POST", "/rooms", "alice", {"room": name})
            assert code(answer) == (422, Code.ROOM_NAME_INVALID), name

    async def test_a_body_that_is_not_json_is_refused(self, history: Service) -> None:
        headers = {**history.headers("alice"), "Content-Type": "application/json"}
        for body in (b"\xff\xfe", b"{", b"\xc3("):
            answer = await history.public.post("/rooms", content=body, headers=headers)
            assert code(answer) == (400, Code.BAD_REQUEST), body
        answer = await history.public.post("/rooms", content=b" " * 65_537, headers=headers)
        assert answer.status_code == 413
        lone = await history.public.post("/rooms", content=b'{"room": "\\ud800"}', headers=headers)
        assert lone.status_code == 422


class TestJoiningAndLeaving:
    async def test_joining_a_public_room_allows_reading_and_writing(self, rooms: Service) -> None:
        joined = (await rooms.do("PUT", "/rooms/pub/members/me", "bob")).json()
        assert (joined["member"], joined["members"]) == (True, 2)
        assert (await rooms.get("/messages", "bob", room="pub")).json() == []
        assert (await rooms.get("/rooms/pub/members", "bob")).json() == ["alice", "bob"]

    async def test_joining_and_leaving_are_idempotent(self, rooms: Service) -> None:
        heard = await rooms.listening(CONTROL)
        for method, times in (("PUT", 3), ("DELETE", 3)):
            for _ in range(times):
                assert (await rooms.do(method, "/rooms/pub/members/me", "bob")).is_success
        await until(lambda: len(heard) >= 2)
        assert [event.member for event in events(heard)] == [True, False]

    async def test_the_room_for_all_users_can_not_be_left(self, history: Service) -> None:
        assert code(await history.do("DELETE", "/rooms/general/members/me")) == (409, Code.ROOM_FOR_ALL)

    async def test_the_number_of_rooms_per_user_is_limited(self, start: Start) -> None:
        async with start(limits=Limits(rooms_per_user=3)) as history:
            await history.greet("alice", "bob")
            for name in ("one", "two"):
                assert (await history.do("POST", "/rooms", "alice", {"room": name})).status_code == 201
            assert code(await history.do("POST", "/rooms", "alice", {"room": "three"})) == (409, Code.TOO_MANY_ROOMS)
            await history.do("POST", "/rooms", "bob", {"room": "bobs"})
            assert code(await history.do("PUT", "/rooms/bobs/members/me")) == (409, Code.TOO_MANY_ROOMS)
            await history.do("DELETE", "/rooms/one/members/me")
            assert (await history.do("PUT", "/rooms/bobs/members/me")).status_code == 200
            assert (await history.get("/rooms/three")).status_code == 404


class TestInviting:
    async def test_non_members_can_not_probe_usernames_by_inviting(self, rooms: Service) -> None:
        for room in ("priv", "pub"):
            answers = [
                await rooms.do("POST", f"/rooms/{room}/members", "bob", {"username": name})
                for name in ("alice", "nobody")
            ]
            assert answers[0].text == answers[1].text

    async def test_an_invitation_fails_if_the_inviter_leaves_meanwhile(self, rooms: Service) -> None:
        call = history_api.JoinRoomCall("pub", rooms.auth.names["alice"], "alice")
        await rooms.fill(1, room_id=(await rooms.ask("join", call, history_api.RoomInfo)).room_id)
        rooms.auth.before_user = lambda: rooms.do("DELETE", "/rooms/pub/members/me", "alice")
        answer = await rooms.do("POST", "/rooms/pub/members", "alice", {"username": "bob"})
        assert code(answer) == (403, Code.NOT_A_MEMBER)
        assert (await rooms.get("/rooms/pub", "bob")).json()["members"] == 0

    async def test_inviting_is_unavailable_without_auth(self, rooms: Service) -> None:
        rooms.auth.away = True
        body = history_api.InviteUserCall("priv", rooms.auth.names["alice"], "alice", "bob")
        with pytest.raises(ChatError) as refused:
            await rooms.ask("invite", body, history_api.Invitee)
        assert refused.value.code == Code.UNAVAILABLE


class TestMembershipEvents:
    async def test_every_membership_event_has_the_next_revision_and_its_author(self, start: Start) -> None:
        async with start() as history:
            heard = await history.listening(CONTROL)
            await history.greet("alice", "bob")
            await history.do("POST", "/rooms", "alice", {"room": "priv", "private": True})
            await history.invite("priv", "alice", "bob")
            await history.do("DELETE", "/rooms/priv/members/me", "bob")
            await until(lambda: len(heard) >= 6)
            told = events(heard)
            heads = await history.ask("heads", history_api.HeadsQuery([]), history_api.Heads)
        assert [(event.room, event.username, event.member, event.by) for event in told] == [
            ("general", "alice", True, "alice"),
            ("general", "bob", True, "bob"),
            ("priv", "alice", True, "alice"),
            ("priv", "bob", True, "bob"),
            ("priv", "bob", False, "bob"),
        ]
        assert [event.revision for event in told] == [1, 2, 3, 5, 6]  # 4 is the invitation
        assert heads.revision == 6
        assert told[3].private

    async def test_concurrent_membership_changes_have_consecutive_revisions(self, history: Service) -> None:
        heard = await history.listening(CONTROL)
        names = [f"user{n}" for n in range(40)]
        await asyncio.gather(*(history.greet(name) for name in names), *(history.greet(*names) for _ in range(5)))
        await until(lambda: len(heard) >= 40)
        assert [event.revision for event in events(heard)] == list(range(3, 43))

    async def test_the_membership_snapshot_has_every_room_of_every_user(self, rooms: Service) -> None:
        users = {rooms.auth.names[name]: name for name in ("alice", "bob")}
        answer = await rooms.ask("memberships", history_api.UserIds(users), history_api.MembershipSnapshot)
        names = {room.room_id: room.room for room in answer.rooms}
        of = {users[user_id]: sorted(names[room_id] for room_id in ids) for user_id, ids in answer.of.items()}
        assert of == {"alice": ["general", "priv", "pub"], "bob": ["general"]}
        assert {room.room: (room.private, room.everyone) for room in answer.rooms} == {
            "general": (False, True),
            "priv": (True, False),
            "pub": (False, False),
        }
        assert answer.revision == 4


def events(heard: list[tuple[str, bytes]]) -> list[MembershipChanged]:
    decoded = [decode_control(payload) for _, payload in heard]
    return [event for event in decoded if isinstance(event, MembershipChanged)]


async def test_an_empty_batch_is_answered_with_the_membership_revision(history: Service) -> None:
    general = await history.greet("alice", "bob")
    alice = history.auth.names["alice"]

    async def told() -> list[int]:
        """The revision that a gateway is told, and the one that is stored."""
        stored = await history.ask("heads", history_api.HeadsQuery([]), history_api.Heads)
        return [(await history.append_batch()).revision, stored.revision]

    first, stored = await told()
    assert first == stored
    await history.ask("create", history_api.CreateRoomCall("ops", False, alice, "alice"), history_api.RoomInfo)
    later, stored = await told()
    assert later == stored > first
    with pytest.raises(ChatError):
        await history.ask("create", history_api.CreateRoomCall("ops", False, alice, "alice"), history_api.RoomInfo)
    await history.append(history.message("hello", "k1", room_id=general.room_id))
    assert await told() == [later, later]
