"""The inbox of this device: works off to-device messages, each once and in order.

What a message brings and the position after it are written in one transaction, so a crash, a second process and a
repeated push change nothing. The server forgets a message only after that.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from chatterbox.wire.frames import ToDevice
from chatterbox.wire.frames.encryption import DeviceAddress, ToDeviceKind
from chatterbox.wire.position import Position
from client.encryption.core.messages.olm_payload import OlmPayload, ReceivedToDevice
from client.encryption.core.messages.room_history import ROOM_HISTORY
from client.encryption.device.device_identity import DeviceIdentity
from client.encryption.device.trusted_users import TrustedDevice
from client.encryption.ports import ToDeviceHandler
from client.encryption.rooms import earlier_keys
from client.encryption.sessions import room_sessions, to_device_queue
from client.encryption.sessions.base64_text import to_url
from client.encryption.sessions.olm_sessions import OlmFailure, OlmSessions
from client.encryption.sessions.room_sessions import FORWARDED_ROOM_KEY, ROOM_KEY
from client.encryption.sessions.user_directory import UserDirectory
from client.encryption.store.key_store import StoreTransaction, Table

AGAIN = "cb.again"
"""Asks the device that made a session for its key once more: its first message was lost."""
WITHHELD = "m.room_key.withheld"
DUMMY = "m.dummy"
"""Says nothing: it begins a session."""
_POSITION = "inbox"
_CLEAR_TYPES = ("m.key.verification.", WITHHELD)


@dataclass(slots=True)
class InboxProgress:
    """What came of a batch of to-device messages."""

    at: Position
    """Up to where they are worked off: the server may forget them."""
    arrived: set[tuple[str, str]] = field(default_factory=set)
    """Sessions with which more can be read: the room's uid and the session's id."""
    unreadable: set[DeviceAddress] = field(default_factory=set)
    """Devices with which a new Olm session is to be begun."""
    newer_lists: dict[str, int] = field(default_factory=dict)
    """Users whose devices named a newer list than the one that is held, and its version."""
    has_gap: bool = False
    """A push is missing: the inbox must be opened again."""
    queued: bool = False
    """To-device messages were queued as answers."""


class _ClearBody(msgspec.Struct, frozen=True):
    type: str
    content: dict[str, Any]


def position(transaction: StoreTransaction) -> Position | None:
    """Up to where the inbox is worked off; None: it was never opened."""
    row = transaction.get(Table.META, _POSITION)
    return None if row is None else msgspec.json.decode(row, type=Position)


def move(transaction: StoreTransaction, at: Position) -> None:
    """The inbox goes on after `at`."""
    transaction.put(Table.META, _POSITION, msgspec.json.encode(at))


def work_off(
    transaction: StoreTransaction,
    identity: DeviceIdentity,
    users: UserDirectory,
    pushes: Sequence[ToDevice],
    handlers: Mapping[str, ToDeviceHandler],
    now_ms: int,
) -> InboxProgress:
    """Work off what follows the position, and move it. What was worked off before is skipped."""
    at = position(transaction) or Position("", 0)
    progress = InboxProgress(at)
    sessions = OlmSessions(transaction, identity)
    devices = users.devices(transaction, {DeviceAddress(push.username, push.sender) for push in pushes})
    for push in pushes:
        if push.at.epoch != at.epoch or push.at.offset > progress.at.offset + 1:
            progress.has_gap = True
            break
        if push.at.offset <= progress.at.offset:
            continue
        device = devices.get(DeviceAddress(push.username, push.sender))
        _take(transaction, sessions, device, push, handlers, progress, now_ms)
        progress.at = push.at
    sessions.save()
    if progress.at != at:
        move(transaction, progress.at)
    return progress


def _take(
    transaction: StoreTransaction,
    sessions: OlmSessions,
    device: TrustedDevice | None,
    push: ToDevice,
    handlers: Mapping[str, ToDeviceHandler],
    progress: InboxProgress,
    now_ms: int,
) -> None:
    if push.kind is ToDeviceKind.CLEAR:
        _take_clear(transaction, device, push, handlers)
        return
    if device is None:
        return  # in no list that its owner signed: it gets nothing and tells nothing
    try:
        payload = sessions.decrypt(device, push.kind, push.body)
    except OlmFailure:
        if sessions.may_renew(device.user_id, device.device_id, now_ms):
            progress.unreadable.add(DeviceAddress(device.username, device.device_id))
        return
    if payload.list_version > device.list_version:
        progress.newer_lists[push.username] = payload.list_version
    _take_payload(transaction, sessions, device, payload, handlers, progress)


def _answer_again(
    transaction: StoreTransaction, sessions: OlmSessions, device: TrustedDevice, content: dict[str, Any]
) -> bool:
    """Give a device the key of a session of this device again, from where it was given before; whether it was."""
    room, session = content.get("room_id"), content.get("session_id")
    if not isinstance(room, str) or not isinstance(session, str):
        return False
    uid, name = room_sessions.room_uid(room), to_url(session)
    address = DeviceAddress(device.username, device.device_id)
    index = room_sessions.may_have(transaction, uid, name, address)
    if index is None:
        return False
    key = room_sessions.forwarded_key(transaction, uid, name, sessions.identity.device_id, index)
    message = sessions.encrypt(device, FORWARDED_ROOM_KEY, key) if key else None
    if message is None:
        return False
    to_device_queue.add(transaction, sessions.identity.device_id, [message])
    return True


def _take_payload(
    transaction: StoreTransaction,
    sessions: OlmSessions,
    device: TrustedDevice,
    payload: OlmPayload,
    handlers: Mapping[str, ToDeviceHandler],
    progress: InboxProgress,
) -> None:
    if payload.type in {ROOM_KEY, FORWARDED_ROOM_KEY}:
        if (arrived := room_sessions.take_room_key(transaction, payload.content, device, device.master)) is not None:
            progress.arrived.add(arrived)
    elif payload.type == ROOM_HISTORY:
        progress.arrived |= earlier_keys.receive(transaction, payload.content, device)
    elif payload.type == AGAIN:
        progress.queued |= _answer_again(transaction, sessions, device, payload.content)
    elif (handler := handlers.get(payload.type)) is not None:
        handler(
            transaction,
            ReceivedToDevice(
                user_id=device.user_id,
                username=device.username,
                device=device.device_id,
                type=payload.type,
                content=payload.content,
                encrypted=True,
                is_trusted=True,
            ),
        )


def _take_clear(
    transaction: StoreTransaction,
    device: TrustedDevice | None,
    push: ToDevice,
    handlers: Mapping[str, ToDeviceHandler],
) -> None:
    try:
        body = msgspec.json.decode(push.body, type=_ClearBody)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return
    handler = handlers.get(body.type)
    if handler is not None and body.type.startswith(_CLEAR_TYPES):
        handler(
            transaction,
            ReceivedToDevice(
                user_id=device.user_id if device else 0,
                username=push.username,
                device=push.sender,
                type=body.type,
                content=body.content,
                encrypted=False,
                is_trusted=device is not None,
            ),
        )
