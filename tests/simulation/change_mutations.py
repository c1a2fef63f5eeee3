"""Mutations of what the gateway does with changes of messages: each disables one rule."""

from collections.abc import Callable
from typing import Any

import pytest

from chatterbox.wire.broker_events import Batch, ChangedMessage
from chatterbox.wire.history_api import RoomHead
from services.gateway.core import change_frames
from services.gateway.core.frame_writer import text_frame
from services.gateway.core.room_changes import RoomChanges
from services.gateway.core.room_stream import RoomStream
from services.gateway.rooms import catch_up
from services.gateway.rooms.room import Room
from services.gateway.rooms.room_feed import RoomFeed

Patch = pytest.MonkeyPatch
Mutation = Callable[[Patch], None]


def stale_memory(patch: Patch) -> None:
    """Recent messages stay as they were received."""
    original = RoomStream.set_right

    def set_right(self: RoomStream, offset: int, rev: int, frame: bytes) -> None:
        if offset in self.early:
            original(self, offset, rev, frame)

    patch.setattr(RoomStream, "set_right", set_right)


def stale_batches(patch: Patch) -> None:
    """Late messages are delivered as they were committed, though changes were told since."""

    def take(self: RoomFeed, room: Room, batch: Batch) -> None:
        room.begin_changes().announce(batch.epoch, batch.rev)
        room.deliver(room.opened.take(batch.epoch, batch.first, [text_frame(frame) for frame in batch.frames]))

    patch.setattr(RoomFeed, "_take_right", take)


def stale_pages(patch: Patch) -> None:
    """Pages are delivered as they were read."""
    patch.setattr(Room, "set_right", lambda self, page: [bytes(frame) for frame in page.frames])


def no_end(patch: Patch) -> None:
    """Where nothing that a client holds has changed, it is not told up to where that is so."""
    original = change_frames.change_frames

    def without_end(*args: Any, **options: Any) -> list[tuple[int, bytes]]:
        return [each for each in original(*args, **options) if b'"message":' in each[1]]

    patch.setattr(catch_up, "change_frames", without_end)


def lose_changes(patch: Patch) -> None:
    """One change in ten is taken, but neither kept nor told."""
    original = RoomChanges._keep

    def keep(self: RoomChanges, change: ChangedMessage) -> None:
        if change.rev % 10:
            original(self, change)

    patch.setattr(RoomChanges, "_keep", keep)


def gaps_of_changes_are_not_filled(patch: Patch) -> None:
    async def fill(self: RoomFeed, room: Room) -> bool:
        return False

    patch.setattr(RoomFeed, "_fill_changes", fill)


def revs_are_not_compared(patch: Patch) -> None:
    """Heads are, so a lost last message is found, but not a lost last change."""
    original = RoomFeed._note_head

    def note(self: RoomFeed, room: Room, at: RoomHead) -> None:
        original(self, room, at._replace(rev=0))

    patch.setattr(RoomFeed, "_note_head", note)


def changes_begin_at_the_resume(patch: Patch) -> None:
    """The rev that a client resumes from is ignored."""
    patch.setattr("services.gateway.connections.welcome._held_changes", lambda held: None)
