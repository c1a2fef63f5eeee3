"""Room topics: permission, validation, events and durability."""

import pytest

from chatterbox.chassis.sqlite.backup import backup
from chatterbox.wire import history_api
from chatterbox.wire.broker_events import CONTROL, TopicChanged, decode_control
from chatterbox.wire.errors import ChatError, Code
from services.history.restore import restore
from tests.support.history import Service, Start, code, until


async def change(history: Service, topic: str, *, user: str = "alice", room: str = "general") -> str:
    """Set a topic as gateways do; returns it as stored."""
    body = history_api.ChangeTopicCall(room, history.auth.names[user], user, topic)
    return (await history.ask("topic", body, history_api.StoredTopic)).topic


async def topic_of(history: Service, room: str = "general", user: str = "alice") -> str:
    return str((await history.get(f"/rooms/{room}", user)).json()["topic"])


class TestPermission:
    async def test_only_members_can_set_the_topic(self, history: Service) -> None:
        await history.do("POST", "/rooms", "alice", {"room": "ops"})
        answer = await history.do("PUT", "/rooms/ops/topic", "bob", {"topic": "mine now"})
        assert code(answer) == (403, Code.NOT_A_MEMBER)
        await history.do("PUT", "/rooms/ops/members/me", "bob")
        answer = await history.do("PUT", "/rooms/ops/topic", "bob", {"topic": "ours now"})
        assert (answer.status_code, answer.json()["topic"]) == (200, "ours now")

    async def test_setting_the_topic_of_a_private_room_as_non_member_answers_room_unknown(
        self, history: Service
    ) -> None:
        await history.do("POST", "/rooms", "alice", {"room": "priv", "private": True})
        answers = [await history.do("PUT", f"/rooms/{name}/topic", "bob", {"topic": "x"}) for name in ("priv", "none")]
        assert {code(answer) for answer in answers} == {(404, Code.ROOM_UNKNOWN)}

    async def test_internal_topic_changes_require_membership_too(self, history: Service) -> None:
        await history.do("POST", "/rooms", "alice", {"room": "ops"})
        with pytest.raises(ChatError) as refused:
            await change(history, "mine now", user="bob", room="ops")
        assert refused.value.code == Code.NOT_A_MEMBER


class TestValidation:
    @pytest.mark.parametrize("topic", ["x" * 201, "two\nlines", "\x1b]0;title\x07"])
    async def test_a_long_multiline_or_control_character_topic_is_refused(self, history: Service, topic: str) -> None:
        await change(history, "before")
        assert code(await history.do("PUT", "/rooms/general/topic", "alice", {"topic": topic})) == (
            422,
            Code.TOPIC_INVALID,
        )
        assert await topic_of(history) == "before"

    async def test_a_topic_is_stripped_and_an_empty_one_clears_it(self, history: Service) -> None:
        assert await change(history, "  engines ") == "engines"
        assert await change(history, " ") == ""
        assert await topic_of(history) == ""


class TestEvents:
    async def test_each_topic_change_is_published_with_the_next_revision(self, history: Service) -> None:
        heard = await history.listening(CONTROL)
        before = (await history.ask("heads", history_api.HeadsQuery([]), history_api.Heads)).revision
        for topic in ("one", "one", "two", ""):
            await change(history, topic)
        await until(lambda: len(heard) >= 3)
        assert [decode_control(payload) for _, payload in heard] == [
            TopicChanged(revision=before + number, room_id=1, topic=topic, by="alice")
            for number, topic in enumerate(("one", "two", ""), 1)
        ]

    async def test_the_topic_is_in_every_answer_that_describes_a_room(self, history: Service) -> None:
        await change(history, "engines")
        user_id = history.auth.names["bob"]
        [listed] = (await history.ask("rooms", history_api.ListRoomsCall(user_id), history_api.RoomListing)).rooms
        joined = await history.ask("join", history_api.JoinRoomCall("general", user_id, "bob"), history_api.RoomInfo)
        page = await history.ask("page", history_api.PageQuery(room_id=1, limit=1), history_api.StoredPage)
        [entered] = (
            await history.ask("memberships", history_api.UserIds({user_id: "bob"}), history_api.MembershipSnapshot)
        ).rooms
        [public] = (await history.get("/rooms", "bob")).json()
        topics = [listed.topic, joined.topic, page.topic, entered.topic, public["topic"]]
        assert topics == ["engines"] * 5


class TestDurability:
    async def test_the_topic_survives_a_restart_and_a_restored_backup(self, start: Start) -> None:
        async with start() as history:
            await history.greet("alice")
            await change(history, "engines")
        async with start() as history:
            assert await topic_of(history) == "engines"
            copy = history.settings.data / "copy.db"
            backup(history.settings.database, copy)
            await change(history, "something else")
        restore(history.settings.database, copy)
        async with start() as history:
            assert await topic_of(history) == "engines"
