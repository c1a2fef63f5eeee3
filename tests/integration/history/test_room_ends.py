"""The end of rooms: the last member leaves, the creator deletes, empty rooms end; the name is free, the messages go."""

import sqlite3

import pytest

from chatterbox.wire import history_api
from chatterbox.wire.broker_events import CONTROL, MembershipChanged, RoomDeleted, decode_control
from chatterbox.wire.errors import Code
from tests.support.history import Service, Start, code, until

DAY_MS = 24 * 3600 * 1000


@pytest.fixture
async def priv(history: Service) -> history_api.RoomInfo:
    """Alice is alone in the private room `priv`, with 3 messages."""
    await history.do("POST", "/rooms", "alice", {"room": "priv", "private": True})
    info = await room_info(history, "priv")
    await history.fill(3, room_id=info.room_id)
    return info


async def room_info(history: Service, room: str, user: str = "alice") -> history_api.RoomInfo:
    call = history_api.JoinRoomCall(room, history.auth.names[user], user)
    return await history.ask("join", call, history_api.RoomInfo)


def stored(history: Service) -> tuple[int, int]:
    """How many rooms and messages the database holds."""
    with sqlite3.connect(history.settings.database) as db:
        [counts] = db.execute("SELECT (SELECT count(*) FROM rooms), (SELECT count(*) FROM messages)")
        return counts[0], counts[1]


class TestLastMemberOfPrivateRoom:
    async def test_leaving_as_last_member_is_refused_without_confirmation(
        self, history: Service, priv: history_api.RoomInfo
    ) -> None:
        answer = await history.do("DELETE", "/rooms/priv/members/me")
        assert code(answer) == (409, Code.LAST_MEMBER)
        assert "3 messages" in answer.json()["detail"]
        assert (await history.get("/rooms/priv")).json()["members"] == 1

    async def test_confirmed_leave_deletes_the_room_and_its_messages(
        self, history: Service, priv: history_api.RoomInfo
    ) -> None:
        assert (await history.do("DELETE", "/rooms/priv/members/me?delete=true")).status_code == 204
        assert code(await history.get("/rooms/priv")) == (404, Code.ROOM_UNKNOWN)
        assert code(await history.get("/messages", room="priv")) == (404, Code.ROOM_UNKNOWN)
        await until(lambda: stored(history) == (1, 0))

    async def test_name_is_free_again_and_the_new_room_has_another_epoch(
        self, history: Service, priv: history_api.RoomInfo
    ) -> None:
        await history.do("DELETE", "/rooms/priv/members/me?delete=true")
        made = await history.do("POST", "/rooms", "bob", {"room": "priv"})
        assert made.status_code == 201
        assert made.json()["epoch"] != priv.epoch
        assert made.json()["head"] == 0
        assert (await room_info(history, "priv", "bob")).room_id != priv.room_id

    async def test_leaving_with_another_member_left_needs_no_confirmation(
        self, history: Service, priv: history_api.RoomInfo
    ) -> None:
        await history.invite("priv", "alice", "bob")
        assert (await history.do("DELETE", "/rooms/priv/members/me")).status_code == 204
        assert (await history.get("/rooms/priv", "bob")).json()["head"] == 3
        assert code(await history.do("DELETE", "/rooms/priv/members/me", "bob")) == (409, Code.LAST_MEMBER)

    async def test_confirmation_does_not_delete_a_room_with_other_members(
        self, history: Service, priv: history_api.RoomInfo
    ) -> None:
        await history.invite("priv", "alice", "bob")
        assert (await history.do("DELETE", "/rooms/priv/members/me?delete=true")).status_code == 204
        assert (await history.get("/rooms/priv", "bob")).json()["head"] == 3

    async def test_messages_to_a_deleted_room_are_refused(self, history: Service, priv: history_api.RoomInfo) -> None:
        await history.do("DELETE", "/rooms/priv/members/me?delete=true")
        [outcome] = await history.append(history.message("late", "late", room_id=priv.room_id))
        assert isinstance(outcome, history_api.AppendRefused)
        assert outcome.code == Code.ROOM_UNKNOWN

    async def test_gateways_are_told_with_the_next_revision(self, history: Service, priv: history_api.RoomInfo) -> None:
        before = await history.ask("heads", history_api.HeadsQuery([]), history_api.Heads)
        heard = await history.listening(CONTROL)
        await history.do("DELETE", "/rooms/priv/members/me?delete=true")
        await until(lambda: bool(heard))
        assert [decode_control(payload) for _, payload in heard] == [
            RoomDeleted(revision=before.revision + 1, room_id=priv.room_id, room="priv", by="alice")
        ]
        heads = await history.ask("heads", history_api.HeadsQuery([priv.room_id]), history_api.Heads)
        assert heads.heads == {}


class TestDeletedMessages:
    async def test_a_large_room_is_deleted_in_small_transactions(self, start: Start) -> None:
        """So senders never wait for it; what is left at a stop is deleted after the next start."""
        async with start() as history:
            await history.greet("alice")
            await history.do("POST", "/rooms", "alice", {"room": "big", "private": True})
            info = await room_info(history, "big")
            for first in range(1, 2501, 1250):
                await history.append(
                    *(history.message("x", f"k-{n}", room_id=info.room_id) for n in range(first, first + 1250))
                )
            await history.do("DELETE", "/rooms/big/members/me?delete=true")
            rooms, messages = stored(history)
            assert rooms == 2
            assert messages >= 1000
        async with start() as history:
            await until(lambda: stored(history) == (1, 0))
            await history.fill(1)


class TestCreator:
    @pytest.fixture
    async def ops(self, history: Service) -> history_api.RoomInfo:
        """Alice created the public room `ops`; bob and carol joined it."""
        await history.do("POST", "/rooms", "alice", {"room": "ops"})
        for name in ("bob", "carol"):
            await history.do("PUT", "/rooms/ops/members/me", name)
        info = await room_info(history, "ops")
        await history.fill(3, room_id=info.room_id)
        return info

    async def test_creator_is_named_in_the_details_of_the_room(
        self, history: Service, ops: history_api.RoomInfo
    ) -> None:
        assert (await history.get("/rooms/ops", "bob")).json()["creator"] == "alice"
        assert (await history.get("/rooms/general", "bob")).json()["creator"] is None

    async def test_creator_can_remove_a_member_who_then_can_neither_read_nor_send_nor_join(
        self, history: Service, ops: history_api.RoomInfo
    ) -> None:
        heard = await history.listening(CONTROL)
        assert (await history.do("DELETE", "/rooms/ops/members/BOB")).status_code == 204
        await until(lambda: bool(heard))
        event = decode_control(heard[0][1])
        assert isinstance(event, MembershipChanged)
        assert (event.username, event.member, event.by) == ("bob", False, "alice")
        assert code(await history.get("/messages", "bob", room="ops")) == (403, Code.NOT_A_MEMBER)
        [outcome] = await history.append(history.message("hi", "k", user="bob", room_id=ops.room_id))
        assert isinstance(outcome, history_api.AppendRefused)
        assert code(await history.do("PUT", "/rooms/ops/members/me", "bob")) == (403, Code.REMOVED_FROM_ROOM)

    async def test_removed_member_can_come_back_when_a_member_invites_them(
        self, history: Service, ops: history_api.RoomInfo
    ) -> None:
        await history.do("DELETE", "/rooms/ops/members/bob")
        await history.invite("ops", "carol", "bob")
        assert (await history.get("/messages", "bob", room="ops")).status_code == 200
        await history.do("DELETE", "/rooms/ops/members/me", "bob")
        assert (await history.do("PUT", "/rooms/ops/members/me", "bob")).status_code == 200

    async def test_creator_can_delete_the_room(self, history: Service, ops: history_api.RoomInfo) -> None:
        heard = await history.listening(CONTROL)
        assert (await history.do("DELETE", "/rooms/ops")).status_code == 204
        assert code(await history.get("/messages", "bob", room="ops")) == (404, Code.ROOM_UNKNOWN)
        await until(lambda: stored(history) == (1, 0))
        assert [type(decode_control(payload)) for _, payload in heard] == [RoomDeleted]

    async def test_members_who_did_not_create_the_room_can_neither_remove_nor_delete(
        self, history: Service, ops: history_api.RoomInfo
    ) -> None:
        for path in ("/rooms/ops/members/carol", "/rooms/ops"):
            answer = await history.do("DELETE", path, "bob")
            assert code(answer) == (403, Code.NOT_THE_CREATOR)
            assert "Ask alice" in answer.json()["detail"]
        assert (await history.get("/rooms/ops")).json()["members"] == 3

    async def test_creator_who_left_has_no_rights_until_invited_again(
        self, history: Service, ops: history_api.RoomInfo
    ) -> None:
        await history.do("DELETE", "/rooms/ops/members/me")
        assert code(await history.do("DELETE", "/rooms/ops")) == (403, Code.NOT_A_MEMBER)
        await history.invite("ops", "bob", "alice")
        assert (await history.do("DELETE", "/rooms/ops")).status_code == 204

    async def test_room_of_everyone_has_no_creator_and_can_not_be_deleted(self, history: Service) -> None:
        for path in ("/rooms/general/members/bob", "/rooms/general"):
            assert code(await history.do("DELETE", path)) == (403, Code.NOT_THE_CREATOR)

    async def test_private_room_does_not_reveal_itself_to_others(
        self, history: Service, priv: history_api.RoomInfo
    ) -> None:
        for path in ("/rooms/{}/members/alice", "/rooms/{}"):
            answers = [await history.do("DELETE", path.format(room), "bob") for room in ("priv", "nowhere")]
            assert answers[0].text == answers[1].text

    async def test_only_members_can_be_removed_and_not_oneself(
        self, history: Service, ops: history_api.RoomInfo
    ) -> None:
        history.auth.token("dave")
        for name in ("dave", "nobody"):
            assert code(await history.do("DELETE", f"/rooms/ops/members/{name}")) == (404, Code.USER_UNKNOWN)
        assert code(await history.do("DELETE", "/rooms/ops/members/alice")) == (422, Code.BAD_REQUEST)
