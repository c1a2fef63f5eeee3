"""Invitations: pending until accepted or declined, blockable, and an answer that tells nothing about the user."""

import sqlite3
from contextlib import closing

import pytest

from chatterbox.wire import history_api
from chatterbox.wire.broker_events import CONTROL, InvitationChanged, MembershipChanged, RoomDeleted, decode_control
from chatterbox.wire.errors import Code
from chatterbox.wire.limits import Limits
from services.history.rooms.room_invitations import PENDING_FROM_ONE
from tests.support.history import UNHURRIED, Clock, Service, Start, code, until

DAY_MS = 24 * 3600 * 1000


@pytest.fixture
async def rooms(history: Service) -> Service:
    """Alice is alone in the private rooms `priv` and `den`."""
    for room in ("priv", "den"):
        await history.do("POST", "/rooms", "alice", {"room": room, "private": True})
    return history


async def invite(history: Service, username: str = "bob", room: str = "priv", by: str = "alice") -> tuple[int, object]:
    answer = await history.do("POST", f"/rooms/{room}/members", by, {"username": username})
    return answer.status_code, answer.json()


async def pending(history: Service, user: str = "bob") -> list[tuple[str, str]]:
    return [(one["room"], one["by"]) for one in (await history.get("/invitations", user)).json()]


class TestConsent:
    async def test_invited_user_is_no_member_until_they_accept(self, rooms: Service) -> None:
        heard = await rooms.listening(CONTROL)
        await invite(rooms)
        assert (await rooms.get("/rooms/priv")).json()["members"] == 1
        for path in ("/rooms/priv", "/rooms/priv/members"):
            assert code(await rooms.get(path, "bob")) == (404, Code.ROOM_UNKNOWN)
        assert code(await rooms.get("/messages", "bob", room="priv")) == (404, Code.ROOM_UNKNOWN)
        assert await pending(rooms) == [("priv", "alice")]
        assert (await rooms.do("PUT", "/rooms/priv/members/me", "bob")).status_code == 200
        assert (await rooms.get("/messages", "bob", room="priv")).status_code == 200
        assert await pending(rooms) == []
        await until(lambda: len(heard) >= 2)
        invited, joined = [decode_control(payload) for _, payload in heard]
        assert isinstance(invited, InvitationChanged)
        assert (invited.room, invited.user_id, invited.by, invited.pending) == (
            "priv", rooms.auth.names["bob"], "alice", True,
        )  # fmt: skip
        assert isinstance(joined, MembershipChanged)
        assert (joined.username, joined.member, joined.by) == ("bob", True, "bob")
        assert joined.revision == invited.revision + 1

    async def test_declined_invitation_is_gone_and_its_sender_is_not_told(self, rooms: Service) -> None:
        await invite(rooms)
        assert (await rooms.do("DELETE", "/invitations/Priv", "bob")).status_code == 204
        assert await pending(rooms) == []
        assert code(await rooms.do("PUT", "/rooms/priv/members/me", "bob")) == (404, Code.ROOM_UNKNOWN)
        for room in ("priv", "nowhere"):
            assert code(await rooms.do("DELETE", f"/invitations/{room}", "bob")) == (404, Code.ROOM_UNKNOWN)

    async def test_invitation_to_a_public_room_is_pending_too(self, history: Service) -> None:
        await history.do("POST", "/rooms", "alice", {"room": "pub"})
        await invite(history, room="pub")
        assert (await history.get("/rooms/pub")).json()["members"] == 1
        assert await pending(history) == [("pub", "alice")]

    async def test_user_in_too_many_rooms_keeps_the_invitation(self, start: Start) -> None:
        async with start(limits=Limits(rooms_per_user=2)) as history:
            await history.greet("alice", "bob")
            for user, room in (("alice", "priv"), ("bob", "bobs")):
                await history.do("POST", "/rooms", user, {"room": room, "private": True})
            await invite(history)
            assert code(await history.do("PUT", "/rooms/priv/members/me", "bob")) == (409, Code.TOO_MANY_ROOMS)
            assert await pending(history) == [("priv", "alice")]

    async def test_every_member_can_invite_including_invited_ones(self, rooms: Service) -> None:
        rooms.auth.token("carol")
        await rooms.invite("priv", "alice", "bob")
        await rooms.invite("priv", "bob", "carol")
        assert (await rooms.get("/rooms/priv/members", "carol")).json() == ["alice", "bob", "carol"]

    async def test_invitations_end_with_their_room(self, rooms: Service) -> None:
        await invite(rooms)
        heard = await rooms.listening(CONTROL)
        await rooms.do("DELETE", "/rooms/priv")
        assert await pending(rooms) == []
        await until(lambda: any(b'"deleted"' in payload for _, payload in heard))
        assert isinstance(decode_control(heard[-1][1]), RoomDeleted)

    async def test_invitations_end_after_30_days(self, start: Start, clock: Clock) -> None:
        async with start() as history:
            await history.greet("alice", "bob")
            await history.do("POST", "/rooms", "alice", {"room": "priv", "private": True})
            await invite(history)
        clock.now += 29 * DAY_MS
        async with start() as history:
            assert await pending(history) == [("priv", "alice")]
        clock.now += 2 * DAY_MS
        async with start() as history:
            heard = await history.listening(CONTROL)
            await until(lambda: bool(heard))
            assert await pending(history) == []
            event = decode_control(heard[0][1])
            assert isinstance(event, InvitationChanged)
            assert not event.pending


class TestAnswer:
    """The inviter learns nothing about the user."""

    async def test_answer_does_not_tell_whether_a_user_exists_is_a_member_or_blocks(self, rooms: Service) -> None:
        for name in ("carol", "dave"):
            await rooms.greet(name)
        await rooms.invite("priv", "alice", "carol")
        await rooms.do("PUT", "/blocks/alice", "dave")
        for name in ("bob", "BOB", "bob", "nobody", "carol", "dave", "alice", "!"):
            assert await invite(rooms, name) == (200, {"room": "priv", "username": name})
        assert await pending(rooms) == [("priv", "alice")]
        assert await pending(rooms, "dave") == []
        body = history_api.InviteUserCall("priv", rooms.auth.names["alice"], "alice", "nobody")
        assert await rooms.ask("invite", body, history_api.Invitee) == history_api.Invitee("nobody")

    async def test_every_attempt_to_invite_takes_one_commit(self, rooms: Service) -> None:
        """So the time of the answer does not tell either."""
        await rooms.do("PUT", "/blocks/alice", "bob")
        for name in ("nobody", "alice", "bob"):
            before = _changes(rooms)
            await invite(rooms, name)
            assert _changes(rooms) == before + 1

    async def test_outsiders_can_not_invite(self, rooms: Service) -> None:
        answers = [await invite(rooms, "alice", room, by="bob") for room in ("priv", "nowhere")]
        assert answers[0] == answers[1]


def _changes(history: Service) -> int:
    with closing(sqlite3.connect(history.settings.database)) as db:
        [(count,)] = db.execute("SELECT value FROM meta WHERE name = 'invitations'")
        return int(count)


class TestBlocking:
    async def test_blocked_user_can_neither_invite_nor_leave_invitations_behind(self, rooms: Service) -> None:
        await invite(rooms)
        heard = await rooms.listening(CONTROL)
        assert (await rooms.do("PUT", "/blocks/ALICE", "bob")).status_code == 204
        await until(lambda: bool(heard))
        assert await pending(rooms) == []
        await invite(rooms, room="den")
        assert await pending(rooms) == []
        assert (await rooms.get("/blocks", "bob")).json() == ["ALICE"]

    async def test_unblocked_user_can_invite_again(self, rooms: Service) -> None:
        await rooms.do("PUT", "/blocks/alice", "bob")
        assert (await rooms.do("DELETE", "/blocks/Alice", "bob")).status_code == 204
        assert (await rooms.get("/blocks", "bob")).json() == []
        await invite(rooms)
        assert await pending(rooms) == [("priv", "alice")]

    async def test_a_user_who_does_not_exist_can_be_blocked_like_any_other(self, rooms: Service) -> None:
        assert (await rooms.do("PUT", "/blocks/nobody", "bob")).status_code == 204
        assert (await rooms.get("/blocks", "bob")).json() == ["nobody"]
        assert code(await rooms.do("PUT", "/blocks/!", "bob")) == (422, Code.USERNAME_INVALID)

    async def test_one_inviter_can_not_fill_the_list_of_a_user(self, start: Start) -> None:
        async with start(limits=UNHURRIED) as history:
            await history.greet("alice", "bob", "carol")
            await history.do("POST", "/rooms", "carol", {"room": "carols", "private": True})
            for number in range(PENDING_FROM_ONE + 5):
                made = await history.do("POST", "/rooms", "alice", {"room": f"r{number}", "private": True})
                assert made.status_code == 201
                await invite(history, room=f"r{number}")
            await invite(history, room="carols", by="carol")
            found = await pending(history)
            assert len(found) == PENDING_FROM_ONE + 1
            assert ("carols", "carol") in found
