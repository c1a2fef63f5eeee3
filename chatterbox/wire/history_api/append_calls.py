"""Changing messages and storing new ones: one batch, in one transaction."""

from typing import TypeAlias

import msgspec

from chatterbox.wire.frames.message import AttachedFile


class Append(msgspec.Struct, frozen=True, omit_defaults=True):
    """A message to store. Without a `key`, a retry can't be recognized."""

    room_id: int
    user_id: int
    username: str
    content: str
    key: str
    reply_to: int = 0
    """The offset of the message that it answers; 0: none."""
    files: tuple[str, ...] = ()
    """Ids of files that the user uploaded for the room."""
    recipients: int = 0
    """In an encrypted room, the version of its recipients that `content` was encrypted for."""


class MessageChange(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind"):
    """What a user makes of the message at `offset` of a room."""

    room_id: int
    user_id: int
    username: str
    offset: int
    epoch: str = ""
    """The room's epoch at the gateway: in another one, another message may have the offset. Empty: any."""


class MessageEdit(MessageChange, frozen=True, kw_only=True, tag="edit"):
    """Replace its text. With `rev`: only if it did not change since."""

    content: str
    rev: int | None = None
    recipients: int = 0
    """As in `Append`."""


class MessageDeletion(MessageChange, frozen=True, kw_only=True, tag="delete"):
    """Erase it."""


class MessageReaction(MessageChange, frozen=True, kw_only=True, omit_defaults=True, tag="react"):
    """React to it, or (`remove`) take that back."""

    emoji: str
    remove: bool = False
    envelope: str = ""
    """In an encrypted room: all reactions of the user to the message, encrypted; `emoji` is empty."""
    recipients: int = 0
    """As in `Append`."""


class MessagePin(MessageChange, frozen=True, kw_only=True, omit_defaults=True, tag="pin"):
    """Pin it, or (`remove`) unpin it."""

    remove: bool = False


AnyMessageChange: TypeAlias = MessageEdit | MessageDeletion | MessageReaction | MessagePin


class AppendBatch(msgspec.Struct, frozen=True, omit_defaults=True):
    """An RPC request to `/internal/appends`: changes to make, then messages to store, in one transaction.

    Without any, it asks for the membership revision.
    """

    messages: list[Append]
    request_id: str = ""
    """The request id for log lines."""
    changes: list[AnyMessageChange] = []


class Appended(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="outcome", tag="appended"):
    """The message is stored, now or (same key and content) earlier; `timestamp` is RFC 3339."""

    epoch: str
    offset: int
    message_id: int
    timestamp: str
    thread: int = 0
    mentions: tuple[str, ...] = ()
    files: tuple[AttachedFile, ...] = ()


class ChangeStored(msgspec.Struct, frozen=True, tag_field="outcome", tag="changed"):
    """The message is stored so; `rev` is the room's rev at its last change. Also if there was nothing to change."""

    rev: int


class AppendRefused(msgspec.Struct, frozen=True, tag_field="outcome", tag="refused"):
    """The message is not stored; `code` is a `chatterbox.wire.errors.Code`. With `retry_after_s`, retry after that."""

    code: str
    detail: str
    retry_after_s: float | None = None


class AppendAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The response to `AppendBatch`: one outcome per message or change, in the same order, each durable."""

    outcomes: list[Appended | AppendRefused] = []
    change_outcomes: list[ChangeStored | AppendRefused] = []
    revision: int = 0
    """The membership revision, in the response to an empty batch."""
    refused: AppendRefused | None = None
    """Why the batch failed as a whole; whether its messages are stored is unknown."""
