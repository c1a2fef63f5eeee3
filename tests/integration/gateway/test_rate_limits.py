"""Commands beyond a user's rate are refused, on every connection and over HTTP alike; the room list has pages."""

from pathlib import Path
from typing import Any

import pytest

from chatterbox.wire.errors import Code
from chatterbox.wire.rate_bounds import Rate, RateLimit
from chatterbox.wire.rate_limits import CHANGES, LISTINGS, READS
from tests.support.server import Server, running

SLOW = 1e-3
DEVICE = "DEVICEADA2"
FIELDS: dict[str, dict[str, Any]] = {
    "create": {"room": "new"},
    "join": {"room": "ops"},
    "leave": {"room": "ops"},
    "invite": {"room": "general", "username": "bob"},
    "remove": {"room": "general", "username": "bob"},
    "delete_room": {"room": "general"},
    "topic": {"room": "general", "topic": "engines"},
    "direct": {"username": "bob"},
    "notify": {"room": "general", "level": "mentions"},
    "changes": {"room": "general", "after": 0},
    "history": {"room": "general", "limit": 5},
    "watch": {"usernames": ["bob"]},
    "rooms": {},
}
COUNTED_HERE = {"join", "read", "look", "recipients", "inbox", "taken"}
"""Reads that the gateway counts itself. A `join` is one for a member who names a position that is not in the room's
memory any more; positions that are reported with `read` are collected."""
COMMANDS = [
    (row, action)
    for row in (CHANGES, READS, LISTINGS)
    for action in row.actions
    if " /" not in action and (row is not READS or action not in COUNTED_HERE)
]


async def spend(server: Server, token: str, row: RateLimit[Rate], room: str) -> None:
    """Use up the rate over HTTP."""
    headers = {"Authorization": f"Bearer {token}"}
    if row is CHANGES:
        await server.http.post("/rooms", json={"room": room}, headers=headers)
        await server.http.put("/rooms/general/topic", json={"topic": "x"}, headers=headers)
    else:
        path = "/rooms" if row is LISTINGS else "/messages"
        for _ in range(2):
            await server.http.get(path, headers=headers)


@pytest.mark.parametrize(("row", "command"), COMMANDS, ids=lambda value: getattr(value, "name", value))
async def test_command_is_refused_once_http_has_used_up_the_rate(
    tmp_path: Path, row: RateLimit[Rate], command: str
) -> None:
    limits: dict[str, Any] = {}
    for name in ("changes", "reads", "listings"):
        limits |= {f"{name}_burst": 2, f"{name}_per_s": SLOW}
    async with running(tmp_path, **limits) as server:
        ada_token, bob_token = await server.newcomer("ada"), await server.newcomer("bob")
        await spend(server, ada_token, row, "ops" if command == "leave" else "of-ada")
        async with server.talker(bob_token) as bob, server.talker(ada_token) as ada:
            if command == "join":
                await bob.ask("create", room="ops")
            refused = await ada.ask(command, **FIELDS[command])
            assert refused["code"] == Code.RATE_LIMITED, refused
            assert refused["retry_after_s"] > 100
            assert refused["detail"].startswith(f"Too many {row.name}: ")
            assert (await ada.send("others may go on"))["type"] == "sent"


async def test_pages_from_the_memory_of_a_gateway_are_counted_over_all_connections(tmp_path: Path) -> None:
    async with running(tmp_path, reads_burst=4, reads_per_s=SLOW) as server:
        token = await server.newcomer("ada")
        async with server.talker(token) as one, server.talker(token) as other:
            at = (await one.send("x"))["at"]
            replies = [await talker.ask("history", after=0) for talker in (one, other, one)]
            replies.append(await one.ask("join", since=at))
            assert [reply["type"] for reply in replies] == ["page", "page", "page", "joined"]
            for refused in (await other.ask("history", after=0), await other.ask("join", since=at)):
                assert (refused["code"], refused["detail"][:15]) == (Code.RATE_LIMITED, "Too many reads:")
                assert refused["retry_after_s"] > 100


async def test_reported_read_positions_are_counted_over_all_connections(tmp_path: Path) -> None:
    async with running(tmp_path, reads_burst=3, reads_per_s=SLOW) as server:
        token = await server.newcomer("ada")
        async with server.talker(token) as one, server.talker(token) as other:
            await one.say({"type": "read", "id": 50, "room": "general", "offset": 0})
            replies = [await talker.ask("read", room="general", offset=0) for talker in (other, one, other)]
            assert [reply["type"] for reply in replies] == ["read_set", "read_set", "error"]
            assert replies[-1]["detail"].startswith("Too many reads:")
            assert (await one.ask("notify", room="general", level="all"))["type"] == "notify_set"


@pytest.mark.parametrize(
    "reading", [{"type": "recipients", "room": "general"}, {"type": "inbox"}, {"type": "taken", "upto": 0}],
    ids=lambda reading: str(reading["type"]),
)  # fmt: skip
async def test_reads_of_a_device_are_counted_over_all_connections(tmp_path: Path, reading: dict[str, Any]) -> None:
    fields = {"device": DEVICE, **reading}
    kind = fields.pop("type")
    async with running(tmp_path, reads_burst=3, reads_per_s=SLOW, encryption="allowed") as server:
        token = await server.newcomer("ada")
        async with server.talker(token) as one, server.talker(token) as other:
            replies = [await talker.ask(kind, **fields) for talker in (one, other, one, other)]
        assert [reply["code"] == "rate_limited" for reply in replies] == [False, False, False, True]
        assert replies[-1]["detail"].startswith("Too many reads:")


async def test_to_device_messages_and_claims_are_counted_one_by_one(tmp_path: Path) -> None:
    to = ["bob", "DEVICEBOB2"]
    message = {"to": to, "n": 1, "kind": "olm", "body": "x"}
    async with running(tmp_path, encryption="allowed") as server:
        token = await server.newcomer("ada")
        async with server.talker(token) as one, server.talker(token) as other:
            for kind, fields, at_once in (
                ("claim", {"of": [to] * 64}, 500 // 64),
                ("to_device", {"messages": [message] * 32}, 3000 // 32),
            ):
                answered = 0
                while (reply := await (one, other)[answered % 2].ask(kind, device=DEVICE, **fields))[
                    "code"
                ] != "rate_limited":
                    answered += 1
                assert at_once <= answered <= 3 * at_once  # more come in while it asks
                assert reply["retry_after_s"] > 0


async def test_a_to_device_message_has_a_limited_length(server: Server) -> None:
    async with server.talker(await server.newcomer("ada")) as ada:
        message = {"to": ["bob", "DEVICEBOB2"], "n": 1, "kind": "olm", "body": "x" * 4097}
        refused = await ada.ask("to_device", device=DEVICE, messages=[message])
        assert (refused["code"], refused["detail"]) == ("bad_frame", "A to-device message has at most 4096 bytes.")


async def test_naming_unknown_rooms_counts_as_reads(tmp_path: Path) -> None:
    async with running(tmp_path, reads_burst=3, reads_per_s=SLOW) as server:
        async with server.talker(await server.newcomer("ada")) as ada:
            codes = [(await ada.send("x", room="nowhere"))["code"] for _ in range(4)]
        assert codes == ["room_unknown"] * 3 + ["rate_limited"]


async def test_a_public_room_beyond_the_first_page_is_not_reported_as_unknown(
    tmp_path: Path,
) -> None:
    async with running(tmp_path, rooms_per_day=1000, changes_burst=1000, rooms_per_user=1000) as server:
        async with (
            server.talker(await server.newcomer("ada")) as ada,
            server.talker(await server.newcomer("bob")) as bob,
        ):
            for number in range(120):
                assert (await ada.ask("create", room=f"0{number:03}"))["type"] == "created"
            await ada.ask("create", room="planning")
            assert (await bob.send("x", room="planning"))["code"] == "not_a_member"
            assert (await bob.send("x", room="nowhere"))["code"] == "room_unknown"
            first = await bob.ask("rooms")
            second = await bob.ask("rooms", after=first["next"])
            assert [len(first["rooms"]), len(second["rooms"])] == [101, 21]
            assert "next" not in second
            assert second["rooms"][-1]["room"] == "planning"
            over_http = await server.http.get(
                "/rooms", headers={"Authorization": f"Bearer {await server.login('bob')}"}
            )
            assert [room["room"] for room in over_http.json()] == [room["room"] for room in first["rooms"]]
