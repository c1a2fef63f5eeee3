"""Orders the changes of a room's messages, and keeps what the gateway holds of them as new as it has told. Pure.

A change is the whole message as it is now, so of several changes of one message only the last is kept: what is in
memory after a rev is what history answers for "changes after that rev".
"""

from collections.abc import Mapping, Sequence

from chatterbox.wire.broker_events import ChangedMessage
from services.gateway.core.frame_writer import text_frame
from services.gateway.core.room_stream import EpochChangedError, RoomStream

KEPT_CHANGES = 500
"""Changed messages kept in memory for each room."""
KEPT_BYTES = 524_288
"""Size of the changed messages kept in memory for each room (bytes), except those not yet written to connections."""
_NO_REVS: Mapping[int, int] = {}


class RoomChanges:
    """Accepts changes in any order and returns those to tell now: by rev, without a gap.

    `told` is the last rev returned, `known` the last rev known to exist. While they differ, changes are missing and
    must be read from history. Every message that changed after `floor` is in memory as of `told`.
    """

    __slots__ = ("_bytes", "_last", "_stream", "floor", "known", "told", "written")

    def __init__(self, stream: RoomStream, rev: int) -> None:
        """The messages in `stream` are as of `rev`, or newer as `stream.ahead` says."""
        self._stream = stream
        self.told = rev
        self.known = rev
        self.floor = rev
        self.written = rev
        """Changes up to this rev have been written to the live connections; those after it stay in memory."""
        self._last: dict[int, ChangedMessage] = {}
        """The last change of each message, by offset, in the order of their revs."""
        self._bytes = 0

    @property
    def has_gap(self) -> bool:
        return self.known > self.told

    @property
    def is_large(self) -> bool:
        """Whether so much is kept that changes should be written to the live connections now."""
        return len(self._last) > KEPT_CHANGES or self._bytes > KEPT_BYTES

    def take(self, epoch: str, after: int, changes: Sequence[ChangedMessage], through: int = 0) -> list[ChangedMessage]:
        """Add changes that follow rev `after` without a gap, live or from a page that is complete up to `through`.

        Returns the changes to tell now. Messages in memory are then as they say. Raises `EpochChangedError`, and
        changes nothing, if they are of another epoch.
        """
        last = max(through, changes[-1].rev if changes else 0)
        self.announce(epoch, last)
        if after > self.told:
            return []
        ready = [change for change in changes if change.rev > self.told]
        for change in ready:
            self._keep(change)
        self.told = max(self.told, last)
        self._stream.drop_ahead(self.told)
        self._evict()
        return ready

    def announce(self, epoch: str, rev: int) -> None:
        """Note the room's rev in history; raises `EpochChangedError`."""
        if epoch != self._stream.epoch:
            raise EpochChangedError
        self.known = max(self.known, rev)

    def note_written(self) -> None:
        """The live connections have been written, or are being written, everything told."""
        self.written = self.told
        self._evict()

    def since(self, rev: int, first: int = 1, last: int | None = None) -> list[ChangedMessage] | None:
        """The messages from offset `first` to `last` that changed after `rev`, by rev; None if memory lacks some.

        >>> changes = RoomChanges(RoomStream.at("e", 2, [b"1", b"2"], 10), rev=3)
        >>> _ = changes.take("e", 3, [ChangedMessage(1, 4, b"1a", b""), ChangedMessage(2, 5, b"2a", b"")])
        >>> _ = changes.take("e", 5, [ChangedMessage(1, 6, b"1b", b"")])
        >>> [(change.rev, change.frame) for change in changes.since(3)]
        [(5, b'2a'), (6, b'1b')]
        """
        if rev < self.floor:
            return None
        found: list[ChangedMessage] = []
        for change in reversed(self._last.values()):
            if change.rev <= rev:
                break
            if change.offset >= first and (last is None or change.offset <= last):
                found.append(change)
        found.reverse()
        return found

    def newer(self, payload: bytes, offset: int, rev: int = 0) -> bytes:
        """The message at `offset` as it was told last, if `payload`, which is as of `rev`, is older."""
        change = self._last.get(offset)
        return payload if change is None or change.rev <= rev else change.frame

    def right(
        self, rev: int, first: int, payloads: Sequence[bytes], revs: Mapping[int, int] = _NO_REVS
    ) -> list[bytes] | None:
        """Consecutive messages that were read as of `rev`, set right to what was told since.

        `revs` has the rev of each message that ever changed, as far as it is known. None if memory does not reach
        back to `rev`: then they must be read again.
        """
        if rev >= self.told:
            return list(payloads)
        if rev < self.floor:
            return None
        return [self.newer(payload, offset, revs.get(offset, 0)) for offset, payload in enumerate(payloads, first)]

    def _keep(self, change: ChangedMessage) -> None:
        before = self._last.pop(change.offset, None)
        if before is not None:
            self._bytes -= len(before.frame)
        self._last[change.offset] = change
        self._bytes += len(change.frame)
        self._stream.set_right(change.offset, change.rev, text_frame(change.frame))

    def _evict(self) -> None:
        """Drop the oldest changes beyond the bounds, unless connections have not been written them."""
        while self.is_large:
            oldest = next(iter(self._last.values()))
            if oldest.rev > self.written:
                return
            del self._last[oldest.offset]
            self._bytes -= len(oldest.frame)
            self.floor = oldest.rev
