"""Bugs to plant: each undoes one protection of the gateway, as a change that looks harmless might."""

import asyncio
from collections.abc import Callable, Sequence
from typing import cast

import pytest

from chatterbox.wire import frames
from services.gateway.connections.connection import Connection, ConnectionState
from services.gateway.connections.welcome import WelcomeSequence
from services.gateway.core.room_stream import RoomStream
from services.gateway.rooms.catch_up import CatchUp
from services.gateway.rooms.member import Member
from services.gateway.rooms.memberships import Memberships
from services.gateway.rooms.room import Room
from services.gateway.rooms.room_feed import RoomFeed

Patch = pytest.MonkeyPatch
Plant = Callable[[Patch], None]


def attach_after_an_await(patch: Patch) -> None:
    """Between the `welcome` and the subscription that it announces others get their turn."""
    attach = Room.attach

    def later(self: Room, connection: Connection, offset: int) -> None:
        asyncio.get_running_loop().call_later(0.002, attach, self, connection, offset)

    patch.setattr(Room, "attach", later)


def no_gap_is_filled(patch: Patch) -> None:
    patch.setattr(RoomFeed, "_start_fill", lambda self, room: None)


def events_are_taken_twice(patch: Patch) -> None:
    """What comes again is passed on again."""

    def take(self: RoomStream, epoch: str, first: int, arrived: Sequence[bytes]) -> list[bytes]:
        ready = original(self, epoch, first, arrived)
        return ready or (list(arrived) if first <= self.head else [])

    original = RoomStream.take
    patch.setattr(RoomStream, "take", take)


def holes_are_passed_over(patch: Patch) -> None:
    """What comes early is passed on at once."""

    def take(self: RoomStream, epoch: str, first: int, arrived: Sequence[bytes]) -> list[bytes]:
        if first > self.head + 1 and epoch == self.epoch:
            self.recent.last = first - 1
            self.recent.frames.clear()
        return original(self, epoch, first, arrived)

    original = RoomStream.take
    patch.setattr(RoomStream, "take", take)


def heads_are_not_compared(patch: Patch) -> None:
    async def compare(self: RoomFeed) -> int | None:
        return None

    patch.setattr(RoomFeed, "compare_heads", compare)


def a_new_epoch_is_not_noticed(patch: Patch) -> None:
    patch.setattr(RoomFeed, "_begin_epoch", lambda self, room: None)


def memberships_are_not_compared(patch: Patch) -> None:
    async def compare(self: Memberships, revision: int) -> None: ...

    patch.setattr(Memberships, "compare", compare)


def catching_up_forgets_a_message(patch: Patch) -> None:
    """The last one that memory has, each time."""
    original = CatchUp._go_live

    def go_live(self: CatchUp, connection: Connection, room: Room) -> bool:
        if room.behind[connection] < room.sent:
            room.behind[connection] += 1
        return original(self, connection, room)

    patch.setattr(CatchUp, "_go_live", go_live)


def who_is_full_is_written_to(patch: Patch) -> None:
    """Fan-out goes on past what is unsent."""
    patch.setattr(Room, "fall_behind", lambda *_: None)


def who_has_gone_is_written_to(patch: Patch) -> None:
    """Fan-out does not leave out whose turn to be closed is yet to come."""
    patch.setattr(Connection, "on_gone", lambda _: None)


def who_is_full_is_not_caught_up(patch: Patch) -> None:
    patch.setattr(Connection, "on_drained", lambda self: setattr(self, "_full_since_s", None))


def resuming_begins_at_the_head(patch: Patch) -> None:
    def state(room: Room, held: object) -> frames.RoomState:
        return frames.RoomState(room=room.name, at=room.at, head=room.at.offset)

    patch.setattr("services.gateway.connections.welcome._room_state", state)


def what_one_holds_is_not_reached(patch: Patch) -> None:
    """A gateway that heard less than another tells who comes from there that all was restored."""

    async def reach(self: WelcomeSequence, member: Member, resume: object) -> None: ...

    patch.setattr(WelcomeSequence, "_sync_rooms", reach)


def a_stale_answer_is_believed(patch: Patch) -> None:
    """Nobody counts the changes that come while history is asked to join or leave."""
    patch.setattr(Member, "rooms_version", property(lambda self: 0, lambda self, value: None))


def rooms_are_told_of_before_the_welcome(patch: Patch) -> None:
    """Whoever is being greeted hears that one has left a room."""
    original = Memberships.leave

    def leave(self: Memberships, member: Member, room: Room) -> None:
        greeted = [each for each in member.connections if cast("Connection", each).state is ConnectionState.WELCOMING]
        for connection in greeted if room.name in member.rooms else ():
            connection.send(frames.Membership(room=room.name, username=member.username, member=False))
        original(self, member, room)

    patch.setattr(Memberships, "leave", leave)
