"""Up to where a gateway knows the heads of its open rooms, so that it compares only rooms that changed since. Pure."""

from chatterbox.wire.history_api import HeadsCursor


class HeadsProgress:
    """Keeps the cursor up to which *every* open room was compared with history, or opened.

    A room that is opened while a comparison is in flight is in none of its answers, but it was read as of an earlier
    cursor than the comparison, perhaps: a message between the two may be lost by the broker, and would not be found by
    a comparison that begins at the later one. So the lowest cursor of all answers counts.
    """

    __slots__ = ("_lowest", "_was_opened", "since")

    def __init__(self) -> None:
        self.since: HeadsCursor | None = None
        """Where the next comparison begins; None: each room must be asked for."""
        self._was_opened = False
        """Whether rooms were opened while the comparison is in flight."""
        self._lowest: HeadsCursor | None = None
        """The lowest cursor of those rooms."""

    def begin(self) -> HeadsCursor | None:
        """A comparison is asked for, one at a time. Returns where it begins, as `since`."""
        self._was_opened = False
        return self.since

    def note_opened(self, cursor: HeadsCursor | None) -> None:
        """Rooms are open from now on, with their heads as of `cursor`; None: history is of an earlier version.

        >>> progress = HeadsProgress()
        >>> _ = progress.begin()
        >>> progress.note_opened(HeadsCursor("run", 4))
        >>> progress.end(HeadsCursor("run", 9))
        >>> progress.since
        HeadsCursor(run='run', number=4)
        """
        self.since = _lower(self.since, cursor)
        self._lowest = _lower(self._lowest, cursor) if self._was_opened else cursor
        self._was_opened = True

    def end(self, cursor: HeadsCursor | None) -> None:
        """The rooms that were open at the end of a comparison were compared as of `cursor`."""
        self.since = _lower(cursor, self._lowest) if self._was_opened else cursor


def _lower(one: HeadsCursor | None, other: HeadsCursor | None) -> HeadsCursor | None:
    """The earlier cursor; None if they can't be compared."""
    if one is None or other is None or one.run != other.run:
        return None
    return min(one, other, key=lambda cursor: cursor.number)
