"""To-device messages on their way to the server: encrypted once, stored, and sent in order until they are acknowledged.

A message to another device has a number, which the server wants without gaps. So each is stored in the transaction that
gave it its number, and after no answer the same bytes are sent again.
"""

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

import msgspec

from chatterbox.wire.frames.encryption import (
    MAX_TO_DEVICE,
    DeviceAddress,
    OutgoingToDevice,
    SendToDevice,
    ShareKeys,
    Withheld,
)
from client.encryption.sessions import room_sessions
from client.encryption.store.key_store import StoreTransaction, Table

QueuedCommand: TypeAlias = ShareKeys | SendToDevice
_DECODER: msgspec.json.Decoder[QueuedCommand] = msgspec.json.Decoder(QueuedCommand)
MAX_COMMAND_BYTES = 48 * 1024
"""Bytes of messages in one command: a frame with them must stay below the least limit of `frame_bytes`."""
_MESSAGE_BYTES = 160
"""What a message takes in a command besides its body, at most."""
_NO_ID = 0
"""Queued commands get their id when they are sent."""


class QueuedRow(NamedTuple):
    """A command that waits, and its name in the table."""

    name: str
    command: QueuedCommand


def add(transaction: StoreTransaction, device: str, messages: Sequence[OutgoingToDevice]) -> None:
    """Queue messages of `device`, in as few commands as the limit allows."""
    for part in _parts(messages):
        _append(transaction, SendToDevice(id=_NO_ID, device=device, messages=part))


def add_share(
    transaction: StoreTransaction,
    share: ShareKeys,
    messages: Sequence[OutgoingToDevice],
    withheld: Sequence[Withheld],
) -> None:
    """Queue the keys of a session, and why others get none; `share` says of which session, and has neither.

    At least one command is queued: with the reply to the last one it is known whether the session may be used.
    """
    parts = _parts(messages)
    reasons = [tuple(withheld[at : at + MAX_TO_DEVICE]) for at in range(0, len(withheld), MAX_TO_DEVICE)]
    for at in range(max(len(parts), len(reasons), 1)):
        command = msgspec.structs.replace(
            share,
            messages=parts[at] if at < len(parts) else (),
            withheld=reasons[at] if at < len(reasons) else (),
        )
        _append(transaction, command)


def _parts(messages: Sequence[OutgoingToDevice]) -> list[tuple[OutgoingToDevice, ...]]:
    """The messages in order, in as few commands as the limits allow."""
    parts: list[tuple[OutgoingToDevice, ...]] = []
    part: list[OutgoingToDevice] = []
    size = 0
    for message in messages:
        length = len(message.body.encode()) + _MESSAGE_BYTES
        if part and (len(part) == MAX_TO_DEVICE or size + length > MAX_COMMAND_BYTES):
            parts.append(tuple(part))
            part, size = [], 0
        part.append(message)
        size += length
    return [*parts, tuple(part)] if part else parts


def first(transaction: StoreTransaction) -> QueuedRow | None:
    """The command that is to be sent next."""
    for name, value in transaction.rows(Table.TO_DEVICE_QUEUE, limit=1):
        return QueuedRow(name, _DECODER.decode(value))
    return None


def acknowledge(transaction: StoreTransaction, row: QueuedRow) -> None:
    """The server stored a command, or will never take it."""
    if _is_queued(transaction, row):
        transaction.delete(Table.TO_DEVICE_QUEUE, row.name)


def _is_queued(transaction: StoreTransaction, row: QueuedRow) -> bool:
    """Whether the row is still the same: another process may have sent it, and its name may be of another one now."""
    value = transaction.get(Table.TO_DEVICE_QUEUE, row.name)
    return value is not None and _DECODER.decode(value) == row.command


def send_unrecorded(transaction: StoreTransaction, row: QueuedRow, uid: str) -> None:
    """The server refused a share: who can read has changed. Its messages are sent all the same.

    Their numbers are taken, and what they are encrypted with has moved on. The devices may have the key then, but the
    server has no record of it.
    """
    command = row.command
    if not isinstance(command, ShareKeys) or not _is_queued(transaction, row):
        return
    room_sessions.note_unrecorded(transaction, uid, command.session, [message.to for message in command.messages])
    if command.messages:
        _put(transaction, row.name, SendToDevice(id=_NO_ID, device=command.device, messages=command.messages))
    else:
        acknowledge(transaction, row)


def alone(row: QueuedRow) -> list[SendToDevice]:
    """A refused command as one command for each message, so that one device does not hold up the others."""
    return [SendToDevice(id=_NO_ID, device=row.command.device, messages=(message,)) for message in row.command.messages]


def acknowledge_sent(transaction: StoreTransaction, row: QueuedRow, gone: Sequence[DeviceAddress]) -> None:
    """The server stored those messages of a command that are not for devices that are gone, which were dropped."""
    rest = tuple(message for message in row.command.messages if message.to not in gone)
    acknowledge(transaction, QueuedRow(row.name, msgspec.structs.replace(row.command, messages=rest)))


def drop_device(transaction: StoreTransaction, username: str, device: str) -> int | None:
    """Delete every message for a device, which the server does not take; returns the lowest number deleted."""
    numbers = []
    for row in _rows(transaction):
        kept = tuple(each for each in row.command.messages if each.to != (username, device))
        numbers += [each.n for each in row.command.messages if each.to == (username, device)]
        if len(kept) == len(row.command.messages):
            continue
        if kept or isinstance(row.command, ShareKeys):
            _put(transaction, row.name, msgspec.structs.replace(row.command, messages=kept))
        else:
            transaction.delete(Table.TO_DEVICE_QUEUE, row.name)
    return min(numbers, default=None)


def renumber(transaction: StoreTransaction, username: str, device: str, next_number: int) -> int:
    """The server wants `next_number` for the next message to a device: number those that wait from there on.

    Returns the last number given. None of them is stored: the server refused the first.
    """
    for row in _rows(transaction):
        messages = []
        for message in row.command.messages:
            if message.to == (username, device):
                messages.append(msgspec.structs.replace(message, n=next_number))
                next_number += 1
            else:
                messages.append(message)
        if tuple(messages) != row.command.messages:
            _put(transaction, row.name, msgspec.structs.replace(row.command, messages=tuple(messages)))
    return next_number - 1


def _rows(transaction: StoreTransaction) -> list[QueuedRow]:
    return [QueuedRow(name, _DECODER.decode(value)) for name, value in transaction.rows(Table.TO_DEVICE_QUEUE)]


def _append(transaction: StoreTransaction, command: QueuedCommand) -> None:
    transaction.append(Table.TO_DEVICE_QUEUE, msgspec.json.encode(command))


def _put(transaction: StoreTransaction, name: str, command: QueuedCommand) -> None:
    transaction.put(Table.TO_DEVICE_QUEUE, name, msgspec.json.encode(command))
