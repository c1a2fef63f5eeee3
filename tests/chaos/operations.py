"""The operations of a run as its clients observed them: the history that the checker reads. Pure data.

A message's content is unique in a run, and its first word is its idempotency key: the content stands for both. Times
are seconds of one monotonic clock, that of the process which writes the history.
"""

from collections.abc import Iterable, Iterator

import msgspec


class Operation(msgspec.Struct, frozen=True, tag_field="what", tag=str.lower, kw_only=True):
    """Something that was done or observed."""

    at_s: float


class Opened(Operation, frozen=True):
    """A connection was welcomed."""

    connection: str
    reader: str
    """The client, which may return on other connections."""
    session: str
    server: str
    """The gateway that sent the welcome."""


class Closed(Operation, frozen=True):
    """A connection ended, on either side; `code` is 1006 without a close frame."""

    connection: str
    code: int


class Began(Operation, frozen=True):
    """The server announced where the pushes of a room begin: with the message after `offset`.

    `since` is the offset that the reader asked to resume from; None: it did not ask. `rev` is that after which changes
    of the room's messages are pushed; None: unknown.
    """

    connection: str
    room: str
    epoch: str
    offset: int
    since: int | None = None
    rev: int | None = None


class Stopped(Operation, frozen=True):
    """The server announced the end of a room's pushes: the user left it, or was not admitted again."""

    connection: str
    room: str


class Delivered(Operation, frozen=True):
    """A message was received, live or in a page (`paged`).

    `rev` and `checksum` are those of the message as it was then: one that ever changed has a rev above 0.
    """

    connection: str
    room: str
    epoch: str
    offset: int
    username: str
    content: str
    paged: bool = False
    rev: int = 0
    checksum: int = 0


class Invoked(Operation, frozen=True):
    """A send was written to a connection; the same content again is a retry with the same key."""

    connection: str
    room: str
    username: str
    content: str


class Acked(Operation, frozen=True):
    """An ack: the server stored it at this position."""

    connection: str
    room: str
    content: str
    epoch: str
    offset: int


class Refused(Operation, frozen=True):
    """A refusal: it is not stored; `final` if it must not be retried."""

    connection: str
    room: str
    content: str
    code: str
    final: bool


class Unknown(Operation, frozen=True):
    """The connection ended before an answer: the message may be stored or not."""

    connection: str
    room: str
    content: str


class ChangeInvoked(Operation, frozen=True):
    """A change of a message was written to a connection, as command `number`.

    `did` is the command: `edit`, `delete`, `react`, `unreact`, `pin` or `unpin`; `value` the new text or the emoji.
    `erases` is the traceable word of the text that is edited away or deleted, as the reader held it.
    """

    connection: str
    number: int
    username: str
    room: str
    epoch: str
    offset: int
    did: str
    value: str = ""
    erases: str = ""


class ChangeAcked(Operation, frozen=True):
    """The server stored the change, or there was nothing to change; `rev` is that of the message since."""

    connection: str
    number: int
    rev: int


class ChangeRefused(Operation, frozen=True):
    """The change was refused: it is not stored if that is `final`, otherwise it may be."""

    connection: str
    number: int
    code: str
    final: bool


class ChangePushed(Operation, frozen=True):
    """A change was received: what happened after rev `after`, up to `rev`.

    The rest is about the changed message; without `offset`, no message that this reader holds changed in between.
    """

    connection: str
    room: str
    after: int
    rev: int
    epoch: str = ""
    offset: int | None = None
    message_rev: int = 0
    checksum: int = 0


class ReadInvoked(Operation, frozen=True):
    """A read position was reported on a connection, as command `number`."""

    connection: str
    number: int
    room: str
    turn: int
    offset: int


class ReadTold(Operation, frozen=True):
    """The server told a user's read position and counts, in the reply to command `number` or unasked (None)."""

    connection: str
    username: str
    room: str
    epoch: str
    turn: int
    offset: int
    unread: int
    mentions: int
    counted: int
    number: int | None = None


class StoredRead(Operation, frozen=True):
    """A user's read position and counts, read from history after the run."""

    username: str
    room: str
    epoch: str
    turn: int
    offset: int
    unread: int
    mentions: int
    counted: int


class Kept(Operation, frozen=True):
    """A message as a connected reader holds it at the end of the run."""

    connection: str
    room: str
    epoch: str
    offset: int
    rev: int
    checksum: int


class Traced(Operation, frozen=True):
    """An erased word was found: in a `file`, in an `object` or elsewhere in the `memory` of a process, or in a `page`
    that was read after a restore; or one of an encrypted text: there, in a broker's `payload` or a file of a `client`.
    """

    word: str
    kind: str
    place: str


class Uploaded(Operation, frozen=True):
    """A file was stored for a room; `digest` is that of its bytes."""

    file_id: str
    room: str
    digest: str


class FileRead(Operation, frozen=True):
    """A file of a message was read after the run; without `digest`, it could not be read."""

    file_id: str
    digest: str


class FileKept(Operation, frozen=True):
    """A file was found in the storage, when all that no message has should be gone."""

    file_id: str


class Came(Operation, frozen=True):
    """A user is connected by this connection from now on: it was welcomed."""

    connection: str
    username: str


class Went(Operation, frozen=True):
    """That connection ended, on either side."""

    connection: str


class Shown(Operation, frozen=True):
    """A connection was told whether a user is here."""

    connection: str
    username: str
    state: str


class Present(Operation, frozen=True):
    """Whether a user is here in the end, as `state` must be shown."""

    username: str
    state: str


class Ended(Operation, frozen=True):
    """Auth confirmed that this session has ended."""

    session: str


class Restored(Operation, frozen=True):
    """An older backup was restored: messages stored since are lost visibly, and epochs change.

    `copied_s` is when that backup was started, if known: messages acked before must still be stored.
    """

    copied_s: float | None = None


class Healed(Operation, frozen=True):
    """All faults are over; the invariants with a deadline are checked from here."""


class Stored(Operation, frozen=True):
    """Read from history by a new client after the run."""

    room: str
    epoch: str
    offset: int
    username: str
    content: str
    timestamp: str = ""
    """As shown to users, in one format; empty if it is not checked."""
    rev: int = 0
    checksum: int = 0
    deleted: bool = False
    pinned: bool = False
    reactions: dict[str, tuple[str, ...]] = {}
    """Usernames by emoji, those that the message tells."""
    mentions: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    """Ids."""


class DeviceListed(Operation, frozen=True):
    """The server has a device in its owner's list, so that it is among the recipients of what is stored from now on.

    `device` is the owner's name and the id, as everywhere below.
    """

    device: str
    room: str
    """The encrypted conversation that the device can read."""


class EncryptedSent(Operation, frozen=True):
    """An encrypted message was written to a connection: `text` is what was typed, `envelope` what was written.

    The same key with the same envelope is a retry; another envelope follows only on a refusal.
    """

    device: str
    room: str
    key: str
    text: str
    envelope: str


class EncryptedAcked(Operation, frozen=True):
    """An ack: the server stored it at this position."""

    device: str
    room: str
    key: str
    epoch: str
    offset: int


class Decrypted(Operation, frozen=True):
    """A device read a message of an encrypted conversation, live or (`final`) after the run.

    `unreadable` is why it can't be decrypted, `irregularity` what is wrong with its place; empty: nothing.
    """

    device: str
    room: str
    epoch: str
    offset: int
    envelope: str
    text: str
    unreadable: str = ""
    irregularity: str = ""
    final: bool = False


class ToDeviceQueued(Operation, frozen=True):
    """A device has stored a to-device message for another one, the `number`th."""

    device: str
    to: str
    number: int


class ToDeviceTaken(Operation, frozen=True):
    """A device has worked off a to-device message: read from its key store after the run, in that order."""

    device: str
    sender: str
    number: int


class Used(Operation, frozen=True):
    """The resources of a process, before the run (`after` false) and once it was idle again."""

    process: str
    resident_bytes: int
    descriptors: int
    after: bool


AnyOperation = (
    Opened | Closed | Began | Stopped | Delivered | Invoked | Acked | Refused | Unknown
    | ChangeInvoked | ChangeAcked | ChangeRefused | ChangePushed | Kept
    | ReadInvoked | ReadTold | StoredRead
    | Uploaded | FileRead | FileKept
    | Came | Went | Shown | Present
    | DeviceListed | EncryptedSent | EncryptedAcked | Decrypted | ToDeviceQueued | ToDeviceTaken
    | Traced | Ended | Restored | Healed | Stored | Used
)  # fmt: skip

_decoder = msgspec.json.Decoder(AnyOperation)


def to_lines(operations: Iterable[AnyOperation]) -> bytes:
    """Encode as JSON lines."""
    return msgspec.json.Encoder().encode_lines(operations)


def from_lines(lines: bytes) -> Iterator[AnyOperation]:
    """Decode what `to_lines` wrote."""
    return iter(_decoder.decode_lines(lines))
