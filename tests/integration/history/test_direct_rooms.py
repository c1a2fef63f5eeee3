"""Direct conversations in history: one for each pair of users, two members for ever, and who may write to whom."""

import asyncio
import sqlite3
from contextlib import closing
from functools import partial
from typing import Any

import pytest

from chatterbox.wire import history_api
from chatterbox.wire.broker_events import CONTROL, MembershipChanged, decode_control
from chatterbox.wire.codec import encode
from chatterbox.wire.encryption.policy import EncryptionPolicy
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.limits import Limits
from chatterbox.wire.rate_limits import DIRECTS
from services.history.messages import append_server
from tests.support.history import Clock, Service, Start, code, until

NAME = "@alice+bob"
DAY_MS = 24 * 3600 * 1000


@pytest.fixture
def start(start: Start) -> Start:
    """Direct conversations are not encrypted here."""
    return partial(start, encryption=EncryptionPolicy.ALLOWED)


async def open_direct(history: Service, user: str = "alice", other: str = "bob") -> dict[str, Any]:
    answer = await history.do("POST", "/directs", user, {"username": other})
    assert answer.status_code == 200, answer.text
    opened: dict[str, Any] = answer.json()
    return opened


async def refusal(history: Service, user: str = "bob", other: str = "alice") -> tuple[int, str]:
    return code(await history.do("POST", "/directs", user, {"username": other}))


async def set_writers(history: Service, user: str, writes: str) -> None:
    assert (await history.do("PATCH", "/me", user, {"writes": writes})).status_code == 204


async def room_id(history: Service, user: str = "alice", room: str = NAME) -> int:
    call = history_api.FindRoomCall(room, history.auth.names[user], user)
    return (await history.ask("find", call, history_api.RoomInfo)).room_id


async def write(history: Service, key: str, user: str = "bob", room: str = NAME) -> str:
    """Send a message; returns how it ended: `stored`, or the code of the refusal."""
    [outcome] = await history.append(history.message("hi", key, user=user, room_id=await room_id(history, user, room)))
    return outcome.code if isinstance(outcome, history_api.AppendRefused) else "stored"


def rows(history: Service, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(history.settings.database)) as db:
        return db.execute(query).fetchall()


class TestOpening:
    async def test_both_users_get_the_same_room_whoever_opens_it(self, history: Service) -> None:
        first = await open_direct(history)
        assert (first["room"], first["with"], first["head"]) == (NAME, ["alice", "bob"], 0)
        assert await open_direct(history, "bob", "ALICE") == first
        assert (await history.get(f"/rooms/{NAME}/members", "bob")).json() == ["alice", "bob"]

    async def test_both_opening_at_once_make_one_room(self, history: Service) -> None:
        pairs = [("alice", "bob"), ("bob", "alice")] * 5
        opened = await asyncio.gather(*(open_direct(history, *pair) for pair in pairs))
        assert {(one["room"], one["epoch"]) for one in opened} == {(NAME, opened[0]["epoch"])}
        assert rows(history, "SELECT count(*) FROM directs") == [(1,)]
        assert rows(history, "SELECT count(*) FROM memberships WHERE direct") == [(2,)]

    async def test_each_member_is_one_membership_change_of_its_own_revision(self, history: Service) -> None:
        heard = await history.listening(CONTROL)
        await open_direct(history)
        await until(lambda: len(heard) == 2)
        events = [decode_control(payload) for _, payload in heard]
        assert all(isinstance(event, MembershipChanged) for event in events)
        assert [(event.room, event.private, event.username, event.member, event.by) for event in events] == [  # type: ignore[union-attr]
            (NAME, True, "alice", True, "alice"), (NAME, True, "bob", True, "alice"),
        ]  # fmt: skip
        assert events[1].revision == events[0].revision + 1  # type: ignore[union-attr]
        await open_direct(history, "bob", "alice")
        await asyncio.sleep(0)
        assert len(heard) == 2

    async def test_the_name_is_in_the_spelling_of_the_usernames_and_found_in_any(self, history: Service) -> None:
        await history.greet("Zoe")
        opened = await open_direct(history, "bob", "zoe")
        assert (opened["room"], opened["with"]) == ("@bob+Zoe", ["bob", "Zoe"])
        for name in ("@bob+Zoe", "@BOB+ZOE", "@zoe+bob"):
            assert (await history.get(f"/rooms/{name}", "Zoe")).json()["room"] == "@bob+Zoe"
        assert await open_direct(history, "Zoe", "BOB") == opened

    async def test_notes_to_oneself_have_one_member(self, history: Service) -> None:
        opened = await open_direct(history, "alice", "Alice")
        assert (opened["room"], opened["with"]) == ("@alice+alice", ["alice"])
        await set_writers(history, "alice", "nobody")
        assert await write(history, "k1", "alice", "@alice+alice") == "stored"

    async def test_unknown_and_impossible_users_are_refused(self, history: Service) -> None:
        assert await refusal(history, "alice", "carol") == (404, Code.USER_UNKNOWN)
        assert await refusal(history, "alice", "!") == (422, Code.USERNAME_INVALID)

    async def test_an_open_conversation_is_found_while_auth_is_away(self, history: Service) -> None:
        opened = await open_direct(history)
        headers = history.headers("alice")
        history.auth.away = True
        again = await history.public.post("/directs", json={"username": "bob"}, headers=headers)
        assert again.json() == opened

    async def test_others_get_the_answer_for_a_room_that_does_not_exist(self, history: Service) -> None:
        await history.greet("eve")
        await open_direct(history)
        for method, path in (
            ("GET", f"/rooms/{NAME}"), ("GET", f"/rooms/{NAME}/members"), ("GET", f"/messages?room={NAME}"),
            ("PUT", f"/rooms/{NAME}/members/me"), ("DELETE", f"/rooms/{NAME}/members/me"),
        ):  # fmt: skip
            assert code(await history.do(method, path, "eve")) == (404, Code.ROOM_UNKNOWN)
            other = path.replace(NAME, "@alice+carol")
            assert code(await history.do(method, other, "eve")) == (404, Code.ROOM_UNKNOWN)
        listed = (await history.get("/rooms", "eve")).json()
        assert [room["room"] for room in listed] == ["general"]

    async def test_the_room_list_says_that_it_is_direct_and_with_whom(self, history: Service) -> None:
        await open_direct(history)
        general, direct = sorted((await history.get("/rooms")).json(), key=lambda room: room["room"], reverse=True)
        assert (direct["room"], direct["kind"], direct["with"], direct["private"]) == (
            NAME, "direct", ["alice", "bob"], True,
        )  # fmt: skip
        assert not {"kind", "with"} & general.keys()

    async def test_no_room_can_be_created_under_such_a_name(self, history: Service) -> None:
        for name in (NAME, "@alice", "@"):
            assert code(await history.do("POST", "/rooms", "alice", {"room": name})) == (422, Code.ROOM_NAME_INVALID)

    async def test_a_message_over_http_makes_it_unless_it_is_invalid(self, history: Service) -> None:
        refused = await history.do("POST", "/messages", "alice", {"room": "@bob+alice", "content": ""})
        assert code(refused) == (422, Code.CONTENT_EMPTY)
        assert rows(history, "SELECT count(*) FROM directs") == [(0,)]
        sent = await history.do("POST", "/messages", "alice", {"room": "@BOB+alice", "content": "hi", "key": "k1"})
        assert (sent.status_code, sent.json()["room"], sent.json()["offset"]) == (201, NAME, 1)
        again = await history.do("POST", "/messages", "alice", {"room": NAME, "content": "hi", "key": "k1"})
        assert again.json() == sent.json()
        await history.do("PUT", "/blocks/alice", "bob")
        blocked = await history.do("POST", "/messages", "alice", {"room": NAME, "content": "hi"})
        assert code(blocked) == (403, Code.DIRECT_REFUSED)
        stranger = await history.do("POST", "/messages", "alice", {"room": "@bob+carol", "content": "hi"})
        assert code(stranger) == (404, Code.ROOM_UNKNOWN)


class TestMembersForEver:
    @pytest.mark.parametrize(
        ("method", "path", "body"),
        [
            ("DELETE", f"/rooms/{NAME}/members/me", None),
            ("DELETE", f"/rooms/{NAME}/members/me?delete=true", None),
            ("DELETE", f"/rooms/{NAME}/members/bob", None),
            ("DELETE", f"/rooms/{NAME}", None),
            ("POST", f"/rooms/{NAME}/members", {"username": "eve"}),
            ("PUT", f"/rooms/{NAME}/topic", {"topic": "us"}),
        ],
    )
    async def test_members_and_topic_never_change(self, history: Service, method: str, path: str, body: object) -> None:
        await history.greet("eve")
        await open_direct(history)
        for user in ("alice", "bob"):
            answer = await history.do(method, path, user, body)
            assert code(answer) == (403, Code.NOT_ALLOWED)
            assert answer.json()["detail"].startswith("A direct conversation always has the same members")
        assert (await history.get(f"/rooms/{NAME}/members")).json() == ["alice", "bob"]

    async def test_notes_do_not_end_with_their_only_member(self, history: Service) -> None:
        await open_direct(history, "alice", "alice")
        for path in ("/rooms/@alice+alice/members/me", "/rooms/@alice+alice/members/me?delete=true"):
            assert code(await history.do("DELETE", path)) == (403, Code.NOT_ALLOWED)

    async def test_a_member_joins_it_without_effect(self, history: Service) -> None:
        await open_direct(history)
        joined = await history.do("PUT", f"/rooms/{NAME}/members/me", "bob")
        assert (joined.status_code, joined.json()["members"]) == (200, 2)

    async def test_cleanup_keeps_it_however_old_and_empty(self, start: Start, clock: Clock) -> None:
        async with start() as history:
            await history.greet("alice", "bob")
            opened = await open_direct(history)
        clock.now += 365 * DAY_MS
        async with start() as history:
            await history.do("POST", "/rooms", "alice", {"room": "brief"})
            await history.do("DELETE", "/rooms/brief/members/me", "alice")  # wakes the cleanup
            await until(lambda: rows(history, "SELECT count(*) FROM rooms WHERE deleted_ms IS NOT NULL") == [(0,)])
            assert await open_direct(history) == opened

    async def test_it_does_not_count_as_a_room(self, start: Start) -> None:
        async with start(limits=Limits(rooms_per_user=2)) as history:
            await history.greet("alice", "bob")
            await open_direct(history)
            assert (await history.do("POST", "/rooms", "alice", {"room": "second"})).status_code == 201
            assert code(await history.do("POST", "/rooms", "alice", {"room": "third"})) == (409, Code.TOO_MANY_ROOMS)

    async def test_the_operator_can_delete_it_and_it_begins_anew(self, history: Service) -> None:
        before = await open_direct(history)
        await history.app.context.history.delete_any_room("@BOB+alice")
        after = await open_direct(history)
        assert (after["room"], after["head"]) == (NAME, 0)
        assert after["epoch"] != before["epoch"]


class TestWhoMayWrite:
    async def test_settings_are_everyone_until_they_are_changed(self, history: Service) -> None:
        assert (await history.get("/me")).json()["writes"] == "everyone"
        await set_writers(history, "alice", "rooms")
        await history.do("PATCH", "/me", "alice", {})
        assert (await history.get("/me")).json()["writes"] == "rooms"
        assert (await history.get("/me", "bob")).json()["writes"] == "everyone"
        assert code(await history.do("PATCH", "/me", "alice", {"writes": "friends"})) == (422, Code.BAD_REQUEST)

    async def test_blocked_user_and_one_who_is_not_wanted_are_refused_alike(self, history: Service) -> None:
        await history.greet("carol")
        await history.do("PUT", "/blocks/BOB", "alice")
        await set_writers(history, "carol", "nobody")
        blocked = await history.do("POST", "/directs", "bob", {"username": "alice"})
        unwanted = await history.do("POST", "/directs", "bob", {"username": "carol"})
        assert code(blocked) == (403, Code.DIRECT_REFUSED)
        assert blocked.json() == unwanted.json()
        assert rows(history, "SELECT count(*) FROM directs") == [(0,)]
        assert "@" not in str((await history.get("/rooms", "alice")).json())

    async def test_a_block_stops_each_message_until_it_is_lifted(self, history: Service) -> None:
        await open_direct(history)
        assert await write(history, "k1") == "stored"
        await history.do("PUT", "/blocks/bob", "alice")
        assert await write(history, "k2") == Code.DIRECT_REFUSED
        assert await write(history, "k1") == "stored", "a retry of a stored message gets its ack"
        assert await write(history, "k3", "alice") == "stored"
        assert [one["content"] for one in (await history.get("/messages", "bob", room=NAME)).json()] == ["hi", "hi"]
        await history.do("DELETE", "/blocks/bob", "alice")
        assert await write(history, "k2") == "stored"

    async def test_a_block_stops_edits_and_reactions_but_not_taking_back(self, history: Service) -> None:
        await open_direct(history)
        await write(history, "k1")
        where = await room_id(history)
        author: dict[str, Any] = {
            "room_id": where,
            "user_id": history.auth.names["bob"],
            "username": "bob",
            "offset": 1,
        }

        async def change(wanted: history_api.AnyMessageChange) -> str:
            batch = encode(history_api.AppendBatch([], changes=[wanted]))
            [outcome] = (await append_server.answer_batch(history.app.context.history, batch)).change_outcomes
            return outcome.code if isinstance(outcome, history_api.AppendRefused) else "stored"

        reaction = history_api.MessageReaction(**author, emoji=":tada:")
        assert await change(reaction) == "stored"
        await history.do("PUT", "/blocks/bob", "alice")
        assert await change(history_api.MessageEdit(**author, content="read this")) == Code.DIRECT_REFUSED
        assert await change(history_api.MessageReaction(**author, emoji=":wave:")) == Code.DIRECT_REFUSED
        assert await change(history_api.MessagePin(**author)) == Code.DIRECT_REFUSED
        assert await change(history_api.MessageReaction(**author, emoji=":tada:", remove=True)) == "stored"
        assert await change(history_api.MessageDeletion(**author)) == "stored"

    async def test_nobody_stops_messages_in_an_open_conversation_with_the_words_of_a_block(
        self, history: Service
    ) -> None:
        await open_direct(history)
        where = await room_id(history)
        await set_writers(history, "alice", "nobody")
        [unwanted] = await history.append(history.message("hi", "k1", user="bob", room_id=where))
        await set_writers(history, "alice", "everyone")
        await history.do("PUT", "/blocks/bob", "alice")
        [blocked] = await history.append(history.message("hi", "k1", user="bob", room_id=where))
        assert unwanted == blocked == history_api.AppendRefused(
            Code.DIRECT_REFUSED, "That user does not take direct messages from you."
        )  # fmt: skip

    async def test_rooms_means_a_room_in_common_other_than_general(self, history: Service) -> None:
        await set_writers(history, "alice", "rooms")
        assert await refusal(history) == (403, Code.DIRECT_REFUSED)
        await history.do("POST", "/rooms", "alice", {"room": "ops"})
        assert await refusal(history) == (403, Code.DIRECT_REFUSED)
        await history.do("PUT", "/rooms/ops/members/me", "bob")
        await open_direct(history, "bob", "alice")
        assert await write(history, "k1") == "stored"
        await history.do("DELETE", "/rooms/ops/members/me", "bob")
        assert await write(history, "k2") == Code.DIRECT_REFUSED, "the conversation itself is no room in common"

    async def test_who_takes_no_messages_can_still_write(self, history: Service) -> None:
        await set_writers(history, "alice", "nobody")
        await open_direct(history)
        assert await write(history, "k1", "alice") == "stored"
        assert await write(history, "k2", "bob") == Code.DIRECT_REFUSED

    async def test_blocks_do_not_stop_messages_in_rooms(self, history: Service) -> None:
        await history.do("PUT", "/blocks/bob", "alice")
        assert await write(history, "k1", "bob", "general") == "stored"


class TestLimits:
    async def test_new_conversations_are_counted_per_day_and_known_ones_are_not(self, start: Start) -> None:
        async with start(limits=Limits(directs_per_day=1)) as history:
            await history.greet("alice", "bob", "carol")
            await open_direct(history)
            await open_direct(history)
            refused = await history.do("POST", "/directs", "alice", {"username": "carol"})
            assert code(refused) == (429, Code.RATE_LIMITED)
            assert refused.json()["detail"].startswith(f"Too many {DIRECTS.name}: at most 1 at once and 1 per day")
            await open_direct(history, "carol", "alice")
            await open_direct(history, "alice", "carol")

    async def test_gateways_and_http_share_the_rate(self, start: Start) -> None:
        async with start(limits=Limits(directs_per_day=1)) as history:
            await history.greet("alice", "bob", "carol")
            await open_direct(history)
            call = history_api.OpenDirectCall(history.auth.names["alice"], "alice", "carol")
            with pytest.raises(ChatError) as refused:
                await history.ask("direct", call, history_api.RoomInfo)
            assert refused.value.code == Code.RATE_LIMITED

    async def test_each_user_has_a_limit_and_one_at_the_limit_takes_no_more(self, start: Start) -> None:
        async with start(limits=Limits(directs_per_user=1)) as history:
            await history.greet("alice", "bob", "carol", "dave")
            await open_direct(history)
            assert await refusal(history, "alice", "carol") == (409, Code.TOO_MANY_ROOMS)
            assert await refusal(history, "carol", "bob") == (403, Code.DIRECT_REFUSED)
            await open_direct(history, "carol", "dave")
            assert (await open_direct(history))["room"] == NAME
