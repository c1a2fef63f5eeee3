"""Read state at a gateway: all connections of a user agree, and a stop loses no position."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.history_api import ReadStates
from chatterbox.wire.read_state import ReadState
from services.gateway.upstream.history_client import HistoryClient
from tests.support.server import Server, running
from tests.support.talker import Talker

STATE = ("read", "turn", "unread", "mentions", "counted", "notify", "until")


def state(welcome: dict[str, Any], room: str = "general") -> dict[str, Any]:
    """What a welcome says about the room's read state."""
    entry = next(each for each in welcome["rooms"] if each["room"] == room)
    return {name: entry[name] for name in STATE if name in entry}


async def written(server: Server, count: int) -> str:
    """Bob writes that many messages; returns Ada's token, who was in the room before."""
    token = await server.newcomer("ada")
    async with server.talker(token), server.talker(await server.newcomer("bob")) as bob:
        for number in range(count):
            assert (await bob.send(f"message {number}"))["type"] == "sent"
    return token


async def test_the_first_connection_and_further_ones_are_welcomed_with_the_read_state(server: Server) -> None:
    token = await written(server, 3)
    async with server.talker(token) as first:
        assert state(first.welcome) == {"unread": 3, "counted": 3}
        assert (await first.ask("read", room="general", offset=2))["type"] == "read_set"
        async with server.talker(token) as second:
            assert state(second.welcome) == {"read": 2, "unread": 1, "counted": 3}


async def test_a_welcome_leaves_without_the_read_state_if_history_does_not_tell(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def unavailable(*_: object) -> None:
        raise ChatError(Code.UNAVAILABLE)

    token = await written(server, 3)
    async with server.talker(token):
        monkeypatch.setattr(HistoryClient, "read_states", unavailable)
        async with server.talker(token) as second:
            assert state(second.welcome) == {}
            assert second.positions["general"]["offset"] == 3
            assert (await second.ask("ping"))["type"] == "pong"


async def test_what_is_read_while_a_further_connection_is_welcomed_is_in_its_welcome(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = await written(server, 3)
    async with server.talker(token) as first:
        read_states = HistoryClient.read_states

        async def outdated(self: HistoryClient, users: dict[int, str]) -> ReadStates:
            answer = await read_states(self, users)
            assert (await first.ask("read", room="general", offset=3))["offset"] == 3
            return answer

        monkeypatch.setattr(HistoryClient, "read_states", outdated)
        async with server.talker(token) as second:
            assert state(second.welcome) == {"read": 3, "counted": 3}


async def test_messages_that_arrive_after_the_unread_ones_were_counted_are_pushed(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = await written(server, 3)
    async with server.talker(token) as first:
        read_states = HistoryClient.read_states

        async def outdated(self: HistoryClient, users: dict[int, str]) -> ReadStates:
            answer = await read_states(self, users)
            await first.send("one's own")
            await first.push("message")
            return answer

        monkeypatch.setattr(HistoryClient, "read_states", outdated)
        async with server.talker(token) as second:
            assert state(second.welcome) == {"unread": 3, "counted": 3}
            assert (await second.push("message"))["at"]["offset"] == 4
            assert (await second.ask("ping"))["type"] == "pong"
            assert second.inbox == []


async def test_a_position_that_waits_does_not_delay_other_commands(server: Server) -> None:
    token = await written(server, 3)
    async with server.talker(token) as ada:
        await ada.ask("read", room="general", offset=1)
        await ada.say({"type": "read", "id": 50, "room": "general", "offset": 3})
        assert (await ada.ask("ping"))["type"] == "pong"
        assert all(frame.get("id") != 50 for frame in ada.inbox), "it waits for the next round"
        assert (await ada.first(id=50))["offset"] == 3


async def test_reported_positions_are_stored_before_a_gateway_stops(tmp_path: Path) -> None:
    async with running(tmp_path) as server:
        token = await written(server, 3)
        async with server.talker(token) as ada:
            await ada.ask("read", room="general", offset=1)
            await ada.say({"type": "read", "id": 50, "room": "general", "offset": 3})
            assert (await ada.ask("ping"))["type"] == "pong"
    async with running(tmp_path) as server, server.talker(token) as ada:
        assert state(ada.welcome) == {"read": 3, "counted": 3}


async def test_what_is_read_over_http_is_told_to_every_connection(server: Server) -> None:
    token = await written(server, 3)
    async with server.talker(token) as one, server.talker(token) as other:
        headers = {"Authorization": f"Bearer {token}"}
        answer = await server.http.put("/rooms/general/read", json={"offset": 2}, headers=headers)
        assert answer.status_code == 200, answer.text
        own = {"type": "own", "room": "general", "read": 2, "unread": 1, "counted": 3}
        assert (await one.push("own"), await other.push("own")) == (own, own)


async def test_reading_a_room_that_one_is_not_in_is_refused(server: Server) -> None:
    token, bob_token = await server.newcomer("ada"), await server.newcomer("bob")
    async with server.talker(token) as ada, server.talker(bob_token) as bob:
        await bob.ask("create", room="ops")
        await bob.ask("create", room="secret", private=True)
        for command in ("read", "notify"):
            fields: dict[str, Any] = {"offset": 1} if command == "read" else {"level": "all"}
            assert (await ada.ask(command, room="ops", **fields))["code"] == "not_a_member"
            assert (await ada.ask(command, room="secret", **fields))["code"] == "room_unknown"


async def test_devices_agree_on_the_level_that_was_set_last_although_its_reply_is_the_first(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reply to the first device is late: by then, the other has set another level."""
    set_notify, may_reply = HistoryClient.set_notify, asyncio.Event()

    async def late_once(self: HistoryClient, *command: Any) -> ReadState:
        monkeypatch.setattr(HistoryClient, "set_notify", set_notify)
        answer = await set_notify(self, *command)
        await may_reply.wait()
        return answer

    token = await server.newcomer("ada")
    async with server.talker(token) as one, server.talker(token) as other:
        monkeypatch.setattr(HistoryClient, "set_notify", late_once)
        await one.say({"type": "notify", "id": 50, "room": "general", "level": "none"})
        assert (await other.push("own", room="general"))["notify"] == "none"
        await other.ask("notify", room="general", level="all")
        assert (await other.push("own", room="general"))["notify"] == "all"
        may_reply.set()
        assert (await one.first(id=50))["level"] == "none"
        assert one.inbox == [], "nothing was told before the reply that the reply takes back"
        assert (await one.push("own", room="general", notify="all"))["notify"] == "all"


@pytest.mark.parametrize("fields", [{"level": "loud"}, {"level": "all", "until": "tomorrow"}])
async def test_an_unknown_level_or_time_is_refused(server: Server, fields: dict[str, str]) -> None:
    async with server.talker(await server.newcomer("ada")) as ada:
        assert (await ada.ask("notify", room="general", **fields))["type"] == "error"
        assert (await ada.ask("notify", room="general", level="none"))["type"] == "notify_set"


async def test_the_other_connections_of_a_user_who_joins_know_what_counts_as_read(server: Server) -> None:
    token, bob_token = await server.newcomer("ada"), await server.newcomer("bob")
    async with server.talker(token) as one, server.talker(token) as other, server.talker(bob_token) as bob:
        await bob.ask("create", room="ops")
        await bob.send("before Ada came", "ops")
        await one.ask("join", room="ops")
        assert (await other.push("membership", room="ops"))["read"] == 1
        await bob.send("@ada, welcome", "ops")
        assert await _read(one, 1) == {"offset": 1, "turn": 0, "unread": 1, "mentions": 1, "counted": 2}


async def _read(talker: Talker, offset: int) -> dict[str, Any]:
    reply = await talker.ask("read", room="ops", offset=offset)
    return {name: reply[name] for name in ("offset", "turn", "unread", "mentions", "counted")}
