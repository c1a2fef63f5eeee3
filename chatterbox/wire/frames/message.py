"""A message as it is stored now, and what became of it."""

import msgspec

from chatterbox.wire.position import Position, Whole


class Reaction(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How many users reacted to a message with `emoji`, and the first of them."""

    emoji: str
    n: Whole
    by: tuple[str, ...]
    """At most eight usernames, in order of reacting."""
    envelope: str = ""
    """In an encrypted room: all reactions of the one user in `by`, encrypted; `emoji` is empty."""


class AttachedFile(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A file of a message: `GET /files/{id}`."""

    id: str
    name: str
    type: str
    """The media type that the server found in the bytes, such as `image/png`."""
    size: Whole
    """Bytes."""
    width: Whole = 0
    """Pixels; only of a picture that has previews: `GET /files/{id}/previews/{256 or 1280}`."""
    height: Whole = 0


class Message(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="message"):
    """A stored message as it is now: pushed when it is new, and contained in pages and changes."""

    room: str
    at: Position
    message_id: Whole
    username: str
    content: str
    timestamp: str
    rev: Whole = 0
    """The room's rev when the message last changed; 0: it is as it was sent."""
    reply_to: Whole = 0
    """The offset of the message that this one answers; 0: none."""
    thread: Whole = 0
    """The offset of the first message of the thread that this one is in; 0: none, or this is the first."""
    replies: Whole = 0
    """How many messages are in the thread that this one began."""
    mentions: tuple[str, ...] = ()
    """The users whom the text names, and `@room`."""
    edited: str = ""
    """When its text was last edited: RFC 3339."""
    deleted: bool = False
    """The message was erased: `content` is empty, and `by` tells who did it."""
    by: str = ""
    reactions: tuple[Reaction, ...] = ()
    pinned: bool = False
    files: tuple[AttachedFile, ...] = ()


class Change(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="change"):
    """A message changed: it replaces the one that is held if its `rev` is greater.

    Changes of a room are numbered by its rev: this one is everything that happened after rev `after`, up to `rev`. So
    one whose `after` is beyond what is held proves that some were lost.
    """

    room: str
    rev: Whole
    after: Whole
    message: Message | None = None
    """The whole message; absent: nothing that the client holds changed in between."""
    by: str = ""
    """Who did it; with `did` and `what`, only while the client was connected."""
    did: str = ""
    """`edit`, `delete`, `react`, `unreact`, `pin`, `unpin` or `reply`."""
    what: str = ""
    """The emoji of a reaction."""
