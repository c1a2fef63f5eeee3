"""A slow reader affects no other connection and loses nothing."""

import socket
from pathlib import Path
from typing import Any

import pytest

from services.gateway.connections.connection import Connection
from services.gateway.core import room_changes
from services.gateway.rooms.catch_up import CHUNK_BYTES, MAX_UNSENT_BYTES
from services.gateway.transport.live_socket import LiveSocket
from tests.support.change_reader import ChangeReader, stored
from tests.support.metrics_parser import figure
from tests.support.server import Server, running
from tests.support.talker import DEADLINE_S, Talker, offsets
from tests.support.waiting import until

MANY: dict[str, Any] = {"sends_per_s": 1e6, "sends_burst": 10**6}
BODY = "x" * 3900


def _narrow_socket(server: Server) -> socket.socket:
    """A socket with a small receive buffer, so that the server soon notices that it is not read."""
    narrow = socket.socket()
    narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    narrow.connect(("127.0.0.1", server.port))
    return narrow


async def _send(talker: Talker, first: int, count: int) -> None:
    for number in range(first, first + count):
        await talker.send(BODY, key=f"k{number}")


async def _connection_of(server: Server, username: str) -> Connection:
    def found() -> list[Connection]:
        connections = server.whole.gateway.hub.connections
        return [entry for entry in connections if entry.member and entry.member.username == username]

    await _until(found)
    return found()[0]


def _times_behind(server: Server) -> float:
    return figure(server.whole.gateway.metrics.metrics.scrape(), "chatterbox_gateway_marked_behind_total")


async def _until(condition: Any) -> None:
    await until(lambda: bool(condition()), DEADLINE_S)


async def test_reader_that_pauses_is_behind_with_bounded_memory_and_then_caught_up(
    tmp_path: Path,
) -> None:
    async with running(tmp_path, recent_messages=10, **MANY) as server:
        alice_token, bob_token = await server.newcomer("alice"), await server.newcomer("bob")
        async with server.talker(alice_token) as alice:
            async with server.talker(bob_token, sock=_narrow_socket(server), max_queue=1) as bob:
                slow = await _connection_of(server, "bob")
                sent = 0
                while not slow.is_full:
                    await _send(alice, sent + 1, 50)
                    sent += 50
                    assert sent < 5000, "the reader never fell behind"
                await _send(alice, sent + 1, 100)
                sent += 100
                assert isinstance(slow.socket, LiveSocket)
                assert slow.socket.unsent_bytes <= MAX_UNSENT_BYTES + CHUNK_BYTES
                assert offsets(await alice.messages(sent)) == list(range(1, sent + 1))
                assert offsets(await bob.messages(sent)) == list(range(1, sent + 1))
                await _send(alice, sent + 1, 1)
                assert offsets(await bob.messages(1)) == [sent + 1]


async def test_slow_reader_falls_behind_repeatedly_and_misses_nothing(tmp_path: Path) -> None:
    async with running(tmp_path, recent_messages=10, **MANY) as server:
        alice_token, bob_token = await server.newcomer("alice"), await server.newcomer("bob")
        async with server.talker(alice_token) as alice:
            async with server.talker(bob_token, sock=_narrow_socket(server), max_queue=1) as bob:
                sent = 0
                received: list[int] = []
                while _times_behind(server) < 3:
                    await _send(alice, sent + 1, 20)
                    sent += 20
                    received += offsets(await bob.messages(10))
                    assert sent < 5000, "the reader was never behind again"
                received += offsets(await bob.messages(sent - len(received)))
                assert received == list(range(1, sent + 1))


async def test_reader_that_reads_nothing_for_too_long_is_cut_off(tmp_path: Path) -> None:
    async with running(tmp_path, stalled_s=0.5, **MANY) as server:
        alice_token, bob_token = await server.newcomer("alice"), await server.newcomer("bob")
        async with server.talker(alice_token) as alice:
            dead = server.talker(bob_token, sock=_narrow_socket(server), max_queue=1)
            await dead.open()
            slow = await _connection_of(server, "bob")
            gateway = server.whole.gateway
            hub = gateway.hub
            number = 0
            while not slow.is_full and slow in hub.connections:
                number += 1
                await _send(alice, number, 1)
                assert number < 5000, "the reader never fell behind"
            await _until(lambda: slow not in hub.connections)
            assert all(slow not in room.live and slow not in room.behind for room in gateway.feed.rooms.values())
            dead.cut()


async def _edit_all(talker: Talker, rev: int) -> int:
    """Edit messages 1 to 60; returns the room's rev after that."""
    for offset in range(1, 61):
        edit = {"type": "edit", "id": 1000 + offset, "room": "general", "offset": offset}
        await talker.say({**edit, "content": f"{rev + offset} {BODY}"})
    for offset in range(1, 61):
        assert (await talker.first(id=1000 + offset))["type"] == "changed"
    return rev + 60


async def test_slow_reader_of_changes_falls_behind_and_then_holds_what_history_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its socket is full in the middle of edits of large messages; they come to more than memory keeps."""
    monkeypatch.setattr(room_changes, "KEPT_CHANGES", 10)
    reader = ChangeReader()
    async with running(tmp_path, recent_messages=10, **MANY) as server:
        alice_token, bob_token = await server.newcomer("alice"), await server.newcomer("bob")
        async with server.talker(alice_token) as alice:
            async with server.talker(bob_token, sock=_narrow_socket(server), max_queue=1) as bob:
                reader.welcome(bob.welcome)
                await _send(alice, 1, 60)
                await reader.read(bob, offset=60, rev=0)
                slow, rev = await _connection_of(server, "bob"), 0
                for _ in range(2):
                    while not slow.is_full:
                        rev = await _edit_all(alice, rev)
                        assert rev < 5000, "the reader never fell behind"
                    rev = await _edit_all(alice, rev)
                    await reader.read(bob, offset=60, rev=rev)
                await _send(alice, 61, 5)
                await reader.read(bob, offset=65, rev=rev)
                assert reader.held == await stored(alice)
                await alice.ask("react", room="general", offset=65, emoji="👍")
                await reader.read(bob, offset=65, rev=rev + 1)
        assert figure(server.whole.gateway.metrics.metrics.scrape(), "chatterbox_gateway_catch_up_pages_total") > 0
