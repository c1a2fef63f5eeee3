"""Reading the history of encrypted rooms for search: back from the newest message, paced, and only while idle."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from chatterbox.wire import frames
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.position import Position
from client.core.client_state import ClientState, ConnectionPhase
from client.core.direct_rooms import EncryptedDirects
from client.core.encryption.encryption_state import EncryptionState
from client.core.message_stream import MessageStream
from client.encryption.message_encryption import EncryptedRoom
from client.encryption.search.covered_offsets import CoveredRange, OffsetRange
from client.net.search import history_fill
from client.net.search.history_fill import HistoryFill
from tests.support.waiting import proves_absence, until

ROOM = EncryptedRoom("@ada~bob", "u1")
HEAD = 450
MOST_S = 10.0


class Site:
    """A room of `HEAD` messages, of which the newest 50 were read, a server that pages, and an index of ranges."""

    def __init__(self) -> None:
        self.missing = [(ROOM, CoveredRange("e1", OffsetRange(1, 400)))]
        self.asked: list[tuple[int | None, int]] = []
        self.covered: list[OffsetRange] = []
        self.locked: list[int] = []
        self.heads: list[tuple[EncryptedRoom, Position]] = []
        self.quiet_s = 100.0
        self.first = 1
        """The first message that the server still has."""
        self.refusals = 0
        encryption = EncryptionState(directs=EncryptedDirects(always=True), uids={"@bob": "u1"})
        streams = {"@bob": MessageStream(Position("e1", HEAD)), "general": MessageStream(Position("e9", 7))}
        self.state = ClientState(phase=ConnectionPhase.LIVE, username="ada", encryption=encryption, streams=streams)

    async def not_indexed(
        self, heads: Sequence[tuple[EncryptedRoom, Position]], *, locked: int = 0
    ) -> list[tuple[EncryptedRoom, CoveredRange]]:
        self.heads = list(heads)
        self.locked.append(locked)
        missing, self.missing = self.missing, []
        return missing

    async def index(self, room: EncryptedRoom, messages: Sequence[frames.Message], covers: CoveredRange) -> None:
        assert room == ROOM
        assert all(covers.offsets.first <= each.at.offset <= covers.offsets.last for each in messages)
        self.covered.append(covers.offsets)

    async def ask(self, command: frames.Command) -> frames.Reply:
        assert isinstance(command, frames.ReadHistory)
        assert command.before is not None
        if self.refusals:
            self.refusals -= 1
            raise ChatError(Code.RATE_LIMITED, "Too many.")
        self.asked.append((command.before, command.limit))
        offsets = range(max(self.first, command.before - command.limit), command.before)
        found = [
            frames.Message(
                room=ROOM.name, at=Position("e1", offset), message_id=offset, username="bob", content="x", timestamp=""
            )
            for offset in offsets
        ]
        more = bool(found) and found[0].at.offset > self.first
        return frames.Page(id=1, room=ROOM.name, messages=found, more=more)

    def fill(self) -> "asyncio.Task[None]":
        encryption: Any = self
        return asyncio.create_task(HistoryFill(encryption, lambda: self.state, self.ask, lambda: self.quiet_s).run())


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("BEGIN_S", "PAUSE_S", "ROUND_S"):
        monkeypatch.setattr(history_fill, name, 0.01)


async def test_room_is_read_back_from_its_newest_unread_message_to_its_beginning() -> None:
    site = Site()
    task = site.fill()
    await until(lambda: len(site.locked) > 1, MOST_S)
    task.cancel()
    assert site.asked == [(401, 200), (201, 200)]
    assert site.covered == [OffsetRange(201, 400), OffsetRange(1, 200)]
    assert site.heads == [(ROOM, Position("e1", HEAD))]


async def test_messages_that_the_server_no_longer_has_count_as_read() -> None:
    site = Site()
    site.first = 350
    task = site.fill()
    await until(lambda: len(site.locked) > 1, MOST_S)
    task.cancel()
    assert site.covered == [OffsetRange(1, 400)]


async def test_messages_whose_keys_were_missing_are_tried_once_in_a_connection() -> None:
    site = Site()
    task = site.fill()
    await until(lambda: len(site.locked) > 2, MOST_S)
    task.cancel()
    assert site.locked[:3] == [history_fill.LOCKED, 0, 0]


@pytest.mark.parametrize("busy", ["decrypting", "offline"])
async def test_nothing_is_read_while_the_connection_is_busy(busy: str) -> None:
    site = Site()
    if busy == "offline":
        site.state = replace(site.state, phase=ConnectionPhase.OFFLINE)
    else:
        site.quiet_s = history_fill.QUIET_S / 2
    task = site.fill()
    await proves_absence(0.1)
    assert site.locked == []
    site.quiet_s, site.state = 100.0, replace(site.state, phase=ConnectionPhase.LIVE)
    await until(lambda: bool(site.covered), MOST_S)
    task.cancel()


async def test_refused_page_leaves_the_rest_for_the_next_round() -> None:
    site = Site()
    site.refusals = 1
    task = site.fill()
    await until(lambda: len(site.locked) > 1, MOST_S)
    assert site.covered == []
    site.missing = [(ROOM, CoveredRange("e1", OffsetRange(1, 400)))]
    await until(lambda: len(site.covered) == 2, MOST_S)
    task.cancel()


async def test_no_more_pages_are_read_than_one_connection_may(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history_fill, "MAX_PAGES", 1)
    site = Site()
    await asyncio.wait_for(site.fill(), 10)
    assert site.covered == [OffsetRange(201, 400)]


async def test_history_that_began_again_meanwhile_is_not_taken_for_the_one_before() -> None:
    site = Site()
    site.missing = [(ROOM, CoveredRange("e0", OffsetRange(1, 400)))]
    task = site.fill()
    await until(lambda: len(site.locked) > 1, MOST_S)
    task.cancel()
    assert (len(site.asked), site.covered) == (1, [])
