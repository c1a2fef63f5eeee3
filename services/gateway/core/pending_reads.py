"""Read positions that wait to be stored: the greatest of each user and room, and who waits for the reply. Pure."""

from collections.abc import Iterator
from itertools import islice
from typing import Generic, NamedTuple, TypeVar

from chatterbox.wire.history_api import ReadPosition

CHUNK_POSITIONS = 500
"""Positions that history is given at once, at most."""
PAUSE_S = 2.0
"""Least time from one round of chunks to the next (seconds): until then, positions of one user and room become one."""
FLOOD_POSITIONS = 1000
"""Positions that wait beyond which the pause is `FLOOD_PAUSE_S`."""
FLOOD_PAUSE_S = 10.0

WaiterT = TypeVar("WaiterT")


class PendingRead(NamedTuple, Generic[WaiterT]):
    """A position, and those that wait until it is stored."""

    position: ReadPosition
    waiting: list[WaiterT]


class PendingReads(Generic[WaiterT]):
    """Collects positions for the next round. All `now_s` come from one monotonic clock (seconds)."""

    def __init__(self) -> None:
        self.waiting = 0
        """Replies that are owed."""
        self._last_round_s = float("-inf")
        self._reads: dict[tuple[int, int], list[PendingRead[WaiterT]]] = {}
        """By user and room, in the order of arrival; more than one only if they can't be compared."""

    def __len__(self) -> int:
        """Users and rooms with a position that waits."""
        return len(self._reads)

    def add(self, position: ReadPosition, waiter: WaiterT) -> None:
        """Note that `waiter` has reported a position."""
        self.waiting += 1
        reads = self._reads.setdefault((position.user_id, position.room_id), [])
        if reads and (greater := _greater(reads[-1].position, position)) is not None:
            reads[-1].waiting.append(waiter)
            reads[-1] = PendingRead(greater, reads[-1].waiting)
        else:
            reads.append(PendingRead(position, [waiter]))

    def due_s(self) -> float:
        """When the next round begins, if a position waits."""
        return self._last_round_s + (FLOOD_PAUSE_S if len(self._reads) > FLOOD_POSITIONS else PAUSE_S)

    def take_round(self, now_s: float) -> list[list[PendingRead[WaiterT]]]:
        """Take everything that waits, in chunks with at most one position of each user and room."""
        self._last_round_s = now_s
        chunks = list(self._take_chunks())
        self.waiting = 0
        return chunks

    def _take_chunks(self) -> Iterator[list[PendingRead[WaiterT]]]:
        while self._reads:
            chunk = []
            for key in list(islice(self._reads, CHUNK_POSITIONS)):
                reads = self._reads[key]
                chunk.append(reads.pop(0))
                if not reads:
                    del self._reads[key]
            yield chunk


def _greater(one: ReadPosition, other: ReadPosition) -> ReadPosition | None:
    """The greater of two positions in the same room; None: only history, which knows the current turn, can tell."""
    if one.turn is None or other.turn is None:
        return max(one, other, key=_offset) if one.turn is other.turn else None
    return max(one, other, key=lambda position: (position.turn, position.offset))


def _offset(position: ReadPosition) -> int:
    return position.offset
