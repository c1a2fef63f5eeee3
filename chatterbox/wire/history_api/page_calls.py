"""Pages of messages, and messages that changed."""

import msgspec


class PageQuery(msgspec.Struct, frozen=True, kw_only=True):
    """`POST /internal/page`: messages after an offset, before one, or (with neither) the last ones."""

    room_id: int
    after: int | None = None
    before: int | None = None
    around: int | None = None
    """Messages around this offset."""
    thread: int | None = None
    """Only the replies of the thread that the message at this offset began."""
    pinned: bool = False
    """Only pinned messages."""
    limit: int
    reader: int | None = None
    """The user whose command needs the page, for the rate limit; None: the gateway itself needs it."""


class StoredPage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Messages, oldest first, as encoded `message` frames; the first has offset `first`.

    They are consecutive, except those of a thread and pinned ones.
    """

    epoch: str
    head: int
    first: int
    frames: list[msgspec.Raw]
    topic: str = ""
    """The room's topic when the page was read."""
    rev: int = 0
    """The room's rev when the page was read: the messages are as of it."""
    revs: dict[int, int] = {}
    """By offset, the rev of each message of the page that ever changed."""
    more: bool = False
    """Whether a thread, or pinned messages, have more in the direction of reading."""


class ChangesQuery(msgspec.Struct, frozen=True, kw_only=True):
    """`POST /internal/changes`: messages from offset `first` on that changed after rev `after`, by rev."""

    room_id: int
    after: int
    first: int = 1
    limit: int
    reader: int | None = None
    """As in `PageQuery`."""


class StoredChange(msgspec.Struct, frozen=True):
    """A changed message as an encoded `message` frame, and its offset and rev."""

    offset: int
    rev: int
    frame: msgspec.Raw


class StoredChanges(msgspec.Struct, frozen=True, kw_only=True):
    """Changed messages by rev: everything up to rev `through`. `rev`: the room's when they were read."""

    epoch: str
    head: int
    rev: int
    through: int
    changes: list[StoredChange]
