"""Messages that this device read, as they are noted for search."""

from collections.abc import Sequence
from enum import IntEnum

import msgspec

from client.encryption.core.trust import MAY_COME, DecryptedMessage
from client.encryption.message_encryption import EncryptedRoom
from client.encryption.search.covered_offsets import CoveredRange, OffsetRange


class TextState(IntEnum):
    """What there is to find in a message."""

    TEXT = 0
    KEY_MAY_COME = 1
    """Nothing now: its key is missing."""
    NOTHING = 2
    """It was deleted, or it can't be read for good."""


class ReadMessage(msgspec.Struct, frozen=True, array_like=True):
    """A message as it was read."""

    offset: int
    rev: int
    timestamp: str
    username: str
    text: str
    files: str
    """The names of its files, one a line."""
    state: TextState


class ReadBatch(msgspec.Struct, frozen=True, array_like=True):
    """Messages of one epoch of a room, with the ranges of offsets that are known by them."""

    uid: str
    room: str
    """As the server names it."""
    epoch: str
    messages: tuple[ReadMessage, ...]
    covers: tuple[OffsetRange, ...] = ()
    """Ranges in which there are no other messages than these, beside the messages' own offsets."""


def batches(
    room: EncryptedRoom, messages: Sequence[DecryptedMessage], covered: CoveredRange | None = None
) -> list[ReadBatch]:
    """What was read, for each epoch that it is of; pages are of one."""
    epochs = dict.fromkeys([*([covered.epoch] if covered else []), *(message.at.epoch for message in messages)])
    return [
        ReadBatch(
            room.uid,
            room.name,
            each,
            tuple(_read(message) for message in messages if message.at.epoch == each),
            (covered.offsets,) if covered is not None and each == covered.epoch else (),
        )
        for each in epochs
    ]


def _read(message: DecryptedMessage) -> ReadMessage:
    state = TextState.TEXT
    if message.unreadable in MAY_COME:
        state = TextState.KEY_MAY_COME
    elif message.deleted or message.unreadable is not None:
        state = TextState.NOTHING
    is_text = state is TextState.TEXT
    return ReadMessage(
        message.at.offset,
        message.rev,
        message.timestamp,
        message.username,
        message.content if is_text else "",
        "\n".join(file.name for file in message.files) if is_text else "",
        state,
    )
