"""A message as it is stored now, and the frame that tells it. Pure."""

from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from chatterbox.wire import text_rules
from chatterbox.wire.frames import AttachedFile, Message, Reaction
from chatterbox.wire.position import Position

COLUMNS = (
    "offset",
    "id",
    "user_id",
    "username",
    "content",
    "timestamp",
    "rev",
    "edited_ms",
    "deleted_ms",
    "deleted_by",
    "reply_to",
    "thread",
    "replies",
    "pinned_ms",
    "pinned_by",
    "marks",
    "extra",
)
"""The columns of a `StoredMessage`, in order."""


class StoredMessage(NamedTuple):
    """A row of the messages table."""

    offset: int
    message_id: int
    user_id: int
    username: str
    content: str
    timestamp_ms: int
    rev: int = 0
    """The room's rev at its last change; 0: it never changed."""
    edited_ms: int | None = None
    deleted_ms: int | None = None
    deleted_by: str | None = None
    reply_to: int | None = None
    thread: int | None = None
    replies: int = 0
    pinned_ms: int | None = None
    pinned_by: str | None = None
    marks: str | None = None
    """JSON of its reactions, as a frame contains them."""
    extra: str | None = None
    """JSON of `Extra`."""


FIRST_RARE = COLUMNS.index("edited_ms")
"""From this column on, most messages have none."""
NONE_RARE = StoredMessage(0, 0, 0, "", "", 0)[FIRST_RARE:]


class DamagedMessageError(Exception):
    """What is stored of a message can't be decoded: the database is damaged."""


class Extra(msgspec.Struct, frozen=True, omit_defaults=True):
    """What few messages have."""

    mentions: tuple[str, ...] = ()
    files: tuple[AttachedFile, ...] = ()


NO_EXTRA = Extra()
_REACTIONS = msgspec.json.Decoder(tuple[Reaction, ...])
_EXTRA = msgspec.json.Decoder(Extra)
_ENCODER = msgspec.json.Encoder()


def reactions(marks: str | None) -> tuple[Reaction, ...]:
    """Decode `StoredMessage.marks`; raises `DamagedMessageError`."""
    if not marks:
        return ()
    try:
        return _REACTIONS.decode(marks)
    except msgspec.DecodeError:
        raise DamagedMessageError("the reactions of a message are unreadable") from None


def marks(found: tuple[Reaction, ...]) -> str | None:
    """Encode reactions as `StoredMessage.marks`."""
    return _ENCODER.encode(found).decode() if found else None


def extra_of(extra: str | None) -> Extra:
    """Decode `StoredMessage.extra`; raises `DamagedMessageError`."""
    if not extra:
        return NO_EXTRA
    try:
        return _EXTRA.decode(extra)
    except msgspec.DecodeError:
        raise DamagedMessageError("the mentions or files of a message are unreadable") from None


def mentions(extra: str | None) -> tuple[str, ...]:
    """The mentions in `StoredMessage.extra`; raises `DamagedMessageError`."""
    return extra_of(extra).mentions


def files(extra: str | None) -> tuple[AttachedFile, ...]:
    """The files in `StoredMessage.extra`; raises `DamagedMessageError`."""
    return extra_of(extra).files


def extra_json(found: tuple[str, ...], with_files: tuple[AttachedFile, ...] = ()) -> str | None:
    """Encode mentions and files as `StoredMessage.extra`."""
    return _ENCODER.encode(Extra(found, with_files)).decode() if found or with_files else None


def require_readable(messages: Iterable[StoredMessage]) -> None:
    """Decode what only few messages have; raises `DamagedMessageError`, which says of which message."""
    for message in messages:
        if message.marks is not None or message.extra is not None:
            try:
                reactions(message.marks)
                extra_of(message.extra)
            except DamagedMessageError as problem:
                raise DamagedMessageError(f"{problem} (id {message.message_id}, offset {message.offset})") from None


def is_plain(message: StoredMessage) -> bool:
    """Whether the message is as it was sent, is no reply, mentions no user and has no file."""
    return not message.rev and message[FIRST_RARE:] == NONE_RARE


def frame(room: str, epoch: str, message: StoredMessage) -> Message:
    """The frame of a message; fields that say nothing are left out of it."""
    plain = Message(
        room=room,
        at=Position(epoch, message.offset),
        message_id=message.message_id,
        username=message.username,
        content=message.content,
        timestamp=text_rules.timestamp(message.timestamp_ms),
    )
    if is_plain(message):
        return plain
    extra = extra_of(message.extra)
    return msgspec.structs.replace(
        plain,
        rev=message.rev,
        reply_to=message.reply_to or 0,
        thread=message.thread or 0,
        replies=message.replies,
        mentions=extra.mentions,
        edited="" if message.edited_ms is None else text_rules.timestamp(message.edited_ms),
        deleted=message.deleted_ms is not None,
        by=message.deleted_by or "",
        reactions=reactions(message.marks),
        pinned=message.pinned_ms is not None,
        files=extra.files,
    )
