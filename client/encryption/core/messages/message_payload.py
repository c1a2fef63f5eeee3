"""What is inside an encrypted message: text, edit or reactions, with what proves its place. Pure.

The plaintext has Matrix's shape, `{"type", "room_id", "content"}`, and is padded to few lengths. A text has a place:
`n` counts the stored texts of its session without gaps, and the first one of a session names the last one before it.
Edits and reactions name the message that they are about by its place and offset, since they have none of their own.
"""

from typing import Annotated, Any, NamedTuple, TypeAlias

import msgspec
from msgspec import Meta

from chatterbox.wire import frames
from chatterbox.wire.position import Whole
from client.encryption.core.messages.padded_length import padded_length

MAX_REACTIONS = 20
"""Emoji of one user on one message."""
_MAX_FILES = 100

Base64: TypeAlias = Annotated[str, Meta(max_length=64)]


class FileKey(msgspec.Struct, frozen=True, kw_only=True):
    """The key of a file, as a JSON Web Key (RFC 7517)."""

    k: Base64
    """32 bytes in unpadded base64url."""
    kty: str = "oct"
    alg: str = "A256CTR"
    key_ops: tuple[str, ...] = ("encrypt", "decrypt")
    ext: bool = True


class FileSecret(msgspec.Struct, frozen=True, kw_only=True):
    """What decrypts a file and proves it whole: Matrix's attachment encryption, version 2."""

    key: FileKey
    iv: Base64
    """16 bytes in unpadded base64; the last eight, the counter, begin at 0."""
    hashes: dict[str, Base64]
    """`sha256`: of the encrypted bytes."""
    v: str = "v2"


class EncryptedFile(frames.AttachedFile, frozen=True, kw_only=True, omit_defaults=True):
    """A file of an encrypted message: name and type are as the sender says, and `id` names the encrypted bytes."""

    secret: FileSecret


class Place(NamedTuple):
    """Which text of a device this is."""

    device: str
    session: str
    """In base64url, as in the envelope."""
    n: Whole


class Window(NamedTuple):
    """What the sender saw before it wrote: the hash of the messages from `first` to `last`."""

    first: Whole
    last: Whole
    digest: Annotated[str, Meta(max_length=64)]
    epoch: Annotated[str, Meta(max_length=64)]


class LogPlace(NamedTuple):
    """Up to where the sender knows the member log of the room: a log that is being withheld, or another one, shows."""

    seq: Whole
    hash: Annotated[str, Meta(max_length=64)]


class TextContent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The content of a `cb.text`."""

    text: str = msgspec.field(name="b")
    n: Annotated[int, Meta(ge=1, le=2**53 - 1)]
    list_version: Whole = msgspec.field(default=0, name="l")
    """The version of the sender's device list: a higher one than the server shows is being withheld."""
    before: Place | None = None
    """Of the first text of a session: the last text of this device before it."""
    window: Window | None = msgspec.field(default=None, name="w")
    log: LogPlace | None = msgspec.field(default=None, name="g")
    """In a room that has a member log."""
    reply_to: Whole = 0
    files: Annotated[tuple[EncryptedFile, ...], Meta(max_length=_MAX_FILES)] = ()


class EditContent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The content of a `cb.edit`: the whole message as it is now."""

    text: str = msgspec.field(name="b")
    offset: Whole = msgspec.field(name="o")
    of: Place | None = None
    """The place of the text that it replaces, if the sender knows it."""
    list_version: Whole = msgspec.field(default=0, name="l")
    reply_to: Whole = 0
    files: Annotated[tuple[EncryptedFile, ...], Meta(max_length=_MAX_FILES)] = ()


class ReactionContent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The content of a `cb.react`: all reactions of a user to a message."""

    emoji: Annotated[tuple[str, ...], Meta(max_length=MAX_REACTIONS)] = msgspec.field(name="r")
    offset: Whole = msgspec.field(name="o")
    of: Place | None = None
    list_version: Whole = msgspec.field(default=0, name="l")


class TopicContent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The content of a `cb.topic`: the topic of a room. It has no place, so that an earlier one may be shown again."""

    topic: str = msgspec.field(name="b")
    list_version: Whole = msgspec.field(default=0, name="l")


Content: TypeAlias = TextContent | EditContent | ReactionContent | TopicContent
_TYPES: dict[str, type[Content]] = {
    "cb.text": TextContent,
    "cb.edit": EditContent,
    "cb.react": ReactionContent,
    "cb.topic": TopicContent,
}
_NAMES = {kind: name for name, kind in _TYPES.items()}


class _Outer(msgspec.Struct, frozen=True, kw_only=True):
    type: str
    room_id: str
    content: msgspec.Raw


class PayloadError(ValueError):
    """A plaintext is not what it must be; the text says why, without its content."""


class WrongRoomError(PayloadError):
    """It was encrypted for another room."""


class UnknownPayloadError(PayloadError):
    """A newer program wrote it."""


_OUTER = msgspec.json.Decoder(_Outer)
_INNER: dict[str, msgspec.json.Decoder[Any]] = {name: msgspec.json.Decoder(kind) for name, kind in _TYPES.items()}
_PAD_FIELD = len(b',"p":""')


def build(room_id: str, content: Content) -> bytes:
    """The padded plaintext."""
    fields = msgspec.json.encode(content)
    outer = b'{"type":%b,"room_id":%b,"content":' % (
        msgspec.json.encode(_NAMES[type(content)]),
        msgspec.json.encode(room_id),
    )
    bare = len(outer) + len(fields) + _PAD_FIELD + 1
    padding = b" " * (padded_length(bare) - bare)
    return outer + fields[:-1] + b',"p":"' + padding + b'"}}'


def parse(plaintext: bytes, room_id: str) -> Content:
    """Parse a plaintext of a message in the room `room_id`. Any bytes are an input; raises `PayloadError`."""
    try:
        outer = _OUTER.decode(plaintext)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise PayloadError("it is malformed") from None
    if outer.room_id != room_id:
        raise WrongRoomError("it is of another room")
    decoder = _INNER.get(outer.type)
    if decoder is None:
        raise UnknownPayloadError("its type is not known")
    try:
        content: Content = decoder.decode(outer.content)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise PayloadError("its content is malformed") from None
    return content
