"""Mutations of the gateway: each disables one protection, as a harmless-looking change might."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, cast

import msgspec
import pytest

from chatterbox.wire import frames
from chatterbox.wire.history_api import Heads, HeadsCursor, RoomHead, RoomInfo
from services.gateway.connections.connection import Connection, ConnectionState
from services.gateway.connections.welcome import WelcomeSequence
from services.gateway.core.room_stream import RoomStream
from services.gateway.rooms.catch_up import CatchUp
from services.gateway.rooms.member import Member
from services.gateway.rooms.memberships import Memberships
from services.gateway.rooms.room import Room
from services.gateway.rooms.room_feed import RoomFeed

Patch = pytest.MonkeyPatch
Mutation = Callable[[Patch], None]


def attach_after_an_await(patch: Patch) -> None:
    """Other callbacks run between the `welcome` and the subscription that it announces."""
    attach = Room.attach

    def later(self: Room, *state: Any) -> None:
        asyncio.get_running_loop().call_later(0.002, attach, self, *state)

    patch.setattr(Room, "attach", later)


def gaps_are_not_filled(patch: Patch) -> None:
    patch.setattr(RoomFeed, "_start_fill", lambda self, room: None)


def duplicates_are_delivered(patch: Patch) -> None:
    def take(self: RoomStream, epoch: str, first: int, arrived: Sequence[bytes], *ahead: Any) -> list[bytes]:
        ready = original(self, epoch, first, arrived, *ahead)
        return ready or (list(arrived) if first <= self.head else [])

    original = RoomStream.take
    patch.setattr(RoomStream, "take", take)


def gaps_are_skipped(patch: Patch) -> None:
    """Early messages are delivered at once."""

    def take(self: RoomStream, epoch: str, first: int, arrived: Sequence[bytes], *ahead: Any) -> list[bytes]:
        if first > self.head + 1 and epoch == self.epoch:
            self.recent.last = first - 1
            self.recent.frames.clear()
        return original(self, epoch, first, arrived, *ahead)

    original = RoomStream.take
    patch.setattr(RoomStream, "take", take)


def heads_are_not_compared(patch: Patch) -> None:
    async def compare(self: RoomFeed) -> int | None:
        return None

    patch.setattr(RoomFeed, "compare_heads", compare)


def a_new_epoch_is_ignored(patch: Patch) -> None:
    patch.setattr(RoomFeed, "_begin_epoch", lambda self, room: None)


def memberships_are_not_compared(patch: Patch) -> None:
    async def compare(self: Memberships, revision: int) -> None: ...

    patch.setattr(Memberships, "compare", compare)


def heads_of_memberships_are_trusted(patch: Patch) -> None:
    """Rooms are opened at the heads that came with the memberships, whatever was committed before the subscription."""
    original = RoomFeed._heads_of

    async def heads_of(self: RoomFeed, infos: Sequence[RoomInfo], since: HeadsCursor | None) -> Heads:
        answer = await original(self, infos, since)
        told = {info.room_id: RoomHead(info.epoch, info.head, info.rev) for info in infos}
        return answer if since is None else msgspec.structs.replace(answer, heads=told)

    patch.setattr(RoomFeed, "_heads_of", heads_of)


def catch_up_skips_a_message(patch: Patch) -> None:
    """The first one of each catch-up from memory."""
    original = CatchUp._go_live

    def go_live(self: CatchUp, connection: Connection, room: Room) -> bool:
        if room.behind[connection] < room.sent:
            room.behind[connection] += 1
        return original(self, connection, room)

    patch.setattr(CatchUp, "_go_live", go_live)


def full_connections_are_written_to(patch: Patch) -> None:
    """Fan-out overtakes unsent data."""
    patch.setattr(Room, "fall_behind", lambda *_: None)


def gone_connections_are_written_to(patch: Patch) -> None:
    """Fan-out includes connections whose peers have gone and that wait to be closed."""
    patch.setattr(Connection, "on_gone", lambda _: None)


def full_connections_are_not_caught_up(patch: Patch) -> None:
    patch.setattr(Connection, "on_drained", lambda self: setattr(self, "_full_since_s", None))


def resume_starts_at_the_head(patch: Patch) -> None:
    def state(room: Room, held: object, read: object, *, reset: bool) -> frames.RoomState:
        return frames.RoomState(room=room.name, at=room.at, head=room.at.offset, rev=room.rev)

    patch.setattr("services.gateway.connections.welcome._room_state", state)


def rooms_are_not_synced_on_resume(patch: Patch) -> None:
    """A gateway that lags behind another reports a reset to clients that come from there."""

    async def sync(self: WelcomeSequence, member: Member, resume: object) -> None: ...

    patch.setattr(WelcomeSequence, "_sync_rooms", sync)


def outdated_answers_are_applied(patch: Patch) -> None:
    """Changes that arrive during a call to join or leave are not counted."""
    patch.setattr(Member, "rooms_version", property(lambda self: 0, lambda self, value: None))


def membership_is_sent_before_the_welcome(patch: Patch) -> None:
    """A connection that is being welcomed gets the news that its user left a room."""
    original = Memberships.leave

    def leave(self: Memberships, member: Member, room: Room) -> None:
        welcoming = [each for each in member.connections if cast("Connection", each).state is ConnectionState.WELCOMING]
        for connection in welcoming if room.name in member.rooms else ():
            connection.send(frames.Membership(room=room.name, username=member.username, member=False))
        original(self, member, room)

    patch.setattr(Memberships, "leave", leave)
