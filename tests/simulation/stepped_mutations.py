"""Mutations of what keeps changes right, for schedules without time: each disables one rule."""

from collections.abc import Callable, Sequence

import pytest

from chatterbox.wire.broker_events import Batch, ChangedMessage
from services.gateway.core.room_changes import RoomChanges
from services.gateway.core.room_stream import RoomStream
from tests.simulation.stepped_gateway import SteppedConnection, SteppedGateway

Mutation = Callable[[pytest.MonkeyPatch], None]


def stale_memory(patch: pytest.MonkeyPatch) -> None:
    """Recent messages stay as they were received."""
    original = RoomStream.set_right

    def set_right(self: RoomStream, offset: int, rev: int, frame: bytes) -> None:
        if offset in self.early:
            original(self, offset, rev, frame)

    patch.setattr(RoomStream, "set_right", set_right)


def stale_early(patch: pytest.MonkeyPatch) -> None:
    """Messages held behind a gap stay as they were received."""
    original = RoomStream.set_right

    def set_right(self: RoomStream, offset: int, rev: int, frame: bytes) -> None:
        if offset not in self.early:
            original(self, offset, rev, frame)

    patch.setattr(RoomStream, "set_right", set_right)


def forget_ahead(patch: pytest.MonkeyPatch) -> None:
    """An older change replaces a message that a page brought as of a later rev."""
    patch.setattr(RoomStream, "_note_ahead", lambda *_: None)


def forget_ahead_of_memory(patch: pytest.MonkeyPatch) -> None:
    """An older change replaces a message that memory was filled with as of a later rev."""
    original = RoomStream.remember
    patch.setattr(RoomStream, "remember", lambda self, *page: original(self, *page[:3]))


def stale_batches(patch: pytest.MonkeyPatch) -> None:
    """Late batches are delivered as they were committed."""
    patch.setattr(SteppedGateway, "_take_batch", lambda self, batch: self._take(batch.first, batch.frames, {}))


def unstamped(patch: pytest.MonkeyPatch) -> None:
    """Late batches are set right from memory, even where it doesn't reach back to their rev."""

    def take_batch(self: SteppedGateway, batch: Batch) -> None:
        right = self.changes.right(self.changes.floor, batch.first, batch.frames)
        assert right is not None
        self._take(batch.first, right, {})

    patch.setattr(SteppedGateway, "_take_batch", take_batch)


def stale_pages(patch: pytest.MonkeyPatch) -> None:
    """Pages are delivered as they were read."""
    patch.setattr(SteppedGateway, "_right", lambda self, page: [bytes(frame) for frame in page.frames])


def no_end(patch: pytest.MonkeyPatch) -> None:
    """A resume without changes of what the client holds ends without a push."""
    patch.setattr(SteppedConnection, "push_end", lambda self, through: setattr(self, "rev", max(self.rev, through)))


def lose_changes(patch: pytest.MonkeyPatch) -> None:
    """One change in ten is not kept."""
    original = RoomChanges._keep

    def keep(self: RoomChanges, change: ChangedMessage) -> None:
        if change.rev % 10:
            original(self, change)

    patch.setattr(RoomChanges, "_keep", keep)


def skip_gaps(patch: pytest.MonkeyPatch) -> None:
    """Changes that do not follow are told at once."""
    original = RoomChanges.take

    def take(
        self: RoomChanges, epoch: str, after: int, changes: Sequence[ChangedMessage], through: int = 0
    ) -> list[ChangedMessage]:
        return original(self, epoch, min(after, self.told), changes, through)

    patch.setattr(RoomChanges, "take", take)


def keep_first(patch: pytest.MonkeyPatch) -> None:
    """A connection that is behind and pages back is told changes of what it held before alone."""
    patch.setattr(SteppedConnection, "note_page", lambda self: None)
