"""Mutations of what keeps read positions right: each disables one rule, in history, in gateways or in clients."""

from collections.abc import Callable, Iterable, Sequence

import pytest

from chatterbox.wire.frames import RoomState
from chatterbox.wire.history_api import ReadPosition
from client.core.client_state import ReducerStep
from client.core.read_state import read_rules
from services.gateway.core import pending_reads
from services.gateway.rooms import read_state_feed
from services.gateway.rooms.read_state_feed import ReadStateFeed
from services.history.core import read_positions
from services.history.core.read_positions import ReadPoint
from services.history.core.recent_senders import SenderRun
from services.history.reads.read_activity import ReadActivity
from tests.simulation.stepped_reads import ReadingGateway

Patch = pytest.MonkeyPatch
Mutation = Callable[[Patch], None]


def forget_turn(patch: Patch) -> None:
    """History compares offsets only: marking as unread has no effect."""

    def advanced(stored: ReadPoint, reported: Iterable[ReadPosition], head: int) -> ReadPoint:
        points = (ReadPoint(position.turn or stored.turn, min(position.offset, head)) for position in reported)
        return max((stored, *points), key=lambda point: point.offset)

    patch.setattr(read_positions, "advanced", advanced)


def keep_last(patch: Patch) -> None:
    """History stores the position that came last."""

    def advanced(stored: ReadPoint, reported: Iterable[ReadPosition], head: int) -> ReadPoint:
        [*_, last] = reported
        return ReadPoint(stored.turn if last.turn is None else last.turn, min(last.offset, head))

    patch.setattr(read_positions, "advanced", advanced)


def keep_own(patch: Patch) -> None:
    """A user's own messages are counted as unread."""
    original = SenderRun.count

    def count(self: SenderRun, user_id: int, after: int, through: int) -> int | None:
        return None if original(self, user_id, after, through) is None else 0

    patch.setattr(SenderRun, "count", count)


def forget_turn_in_gateways(patch: Patch) -> None:
    """Of positions that wait, the one with the greater offset is stored."""

    def greater(one: ReadPosition, other: ReadPosition) -> ReadPosition | None:
        return max(one, other, key=lambda position: position.offset)

    patch.setattr(pending_reads, "_greater", greater)


def lose_signals(patch: Patch) -> None:
    """Gateways never hear what is stored through others; only a welcome tells it."""
    patch.setattr(ReadingGateway, "on_signal", lambda *_: None)
    patch.setattr(ReadStateFeed, "on_signal", lambda *_: None)
    patch.setattr(ReadStateFeed, "on_possible_loss", lambda _: None)


def trust_late_memberships(patch: Patch) -> None:
    """What the event of a membership told is not compared with what history has meanwhile."""
    patch.setattr(ReadStateFeed, "compare_entered", lambda *_: None)


def note_no_reader(patch: Patch) -> None:
    """History tells the states that it told before although a device has read more since."""
    patch.setattr(ReadActivity, "note", lambda *_: None)


def push_from_the_head(patch: Patch) -> None:
    """Messages that arrive between the count of a welcome and its position are neither counted nor pushed."""
    patch.setattr(read_state_feed, "first_push", lambda head, _: head)


def forget_unsaid(patch: Patch) -> None:
    """What the server did not confirm is not sent again after a welcome."""
    original = read_rules.take_welcome

    def take(step: ReducerStep, rooms: Sequence[RoomState]) -> None:
        for name in tuple(step.state.read_states):
            step.set_read_state(name, None)
        original(step, rooms)

    patch.setattr(read_rules, "take_welcome", take)
