"""Stores to-device messages in the inboxes of devices, in the writer's transaction.

From one device to another they are numbered without gaps. A number that was stored before counts as done, so each
request may be repeated. What an inbox can't take is not stored although its number counts: the device finds the gap.
If the whole inbox is full, the device falls asleep: it gets no keys until it is back.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial

import msgspec

from chatterbox.chassis.sqlite.database import run_on_connection
from chatterbox.wire.broker_events import InboxesGrew
from chatterbox.wire.encryption.key_api import DeviceState
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.frames.encryption import DeviceAddress, OutgoingToDevice, ToDeviceKind
from chatterbox.wire.history_api import ToDeviceCall
from chatterbox.wire.limits import Limits
from services.history.encryption import recipient_versions
from services.history.encryption.core import clear_messages
from services.history.encryption.delivery import device_access
from services.history.messages.write_transaction import WriteTransaction

ANY_NUMBER = -1
"""The last number of a pair after a restored backup: how far its sender has counted since is not known."""

OF_USER = 2
"""How many times as many messages as of one device may wait of all devices of a user: one user alone fills no inbox."""

_TARGETS = f"""
    SELECT wanted.key, devices.id, devices.user_id, devices.state, inbox_floor, inbox_head, inbox_bytes,
        CASE WHEN last_n IS NOT NULL THEN last_n
            WHEN EXISTS (SELECT 1 FROM meta WHERE name = 'restored') THEN {ANY_NUMBER} ELSE 0 END,
        coalesce(waiting, 0),
        (SELECT coalesce(sum(theirs.waiting), 0) FROM devices AS siblings
            JOIN to_device_counts AS theirs ON theirs.from_device = siblings.id AND theirs.to_device = devices.id
            WHERE siblings.user_id = (SELECT user_id FROM devices WHERE id = :sender))
    FROM json_each(:addresses) AS wanted
    JOIN memberships INDEXED BY users_by_name ON memberships.room_id = 1
        AND memberships.username = json_extract(wanted.value, '$[0]') COLLATE NOCASE
    JOIN devices ON devices.user_id = memberships.user_id
        AND devices.device_id = json_extract(wanted.value, '$[1]')
    LEFT JOIN to_device_counts ON from_device = :sender AND to_device = devices.id
"""  # noqa: S608 - constants
"""Room 1 is the one that everyone is in."""
_INSERT = "INSERT INTO to_device (device, offset, from_device, n, kind, body) VALUES (?, ?, ?, ?, ?, ?)"
_COUNT = "INSERT OR REPLACE INTO to_device_counts (from_device, to_device, last_n, waiting) VALUES (?, ?, ?, ?)"
_USE_CLAIM = "UPDATE claims SET used = 1 WHERE by_device = ? AND of_device = ? AND NOT used"
"""A claimed key was used: asked again, the sender gets another one, since its owner has forgotten this one."""
_GROW = "UPDATE devices SET inbox_head = ?, inbox_bytes = ? WHERE id = ?"
_SLEEP = "UPDATE devices SET state = 'asleep' WHERE id = ? AND state = 'listed'"


@dataclass(slots=True)
class TargetDevice:
    """A device that gets messages of one other, as it is in the transaction so far."""

    number: int
    """Its id in the database."""
    user_id: int
    state: str
    floor: int
    head: int
    size: int
    """Bytes in its inbox."""
    last_n: int
    waiting: int
    """Messages of the sender in its inbox."""
    waiting_of_user: int
    """Those of all devices of the sender's owner."""
    is_counted: bool = False
    """Whether `last_n` changed."""
    is_overflowing: bool = False


@dataclass(slots=True)
class Delivery:
    """What is stored of one device's messages for others."""

    sender: int
    """The sending device's id in the database."""
    limits: Limits
    targets: dict[DeviceAddress, TargetDevice]
    stored: set[int] = field(default_factory=set)
    """Devices that get a message which was not stored before."""
    full: set[int] = field(default_factory=set)
    """Devices that do not get a message, because too much waits for them."""
    _rows: list[tuple[int, int, int, int, str, str]] = field(default_factory=list)

    def put(self, message: OutgoingToDevice) -> TargetDevice:
        """Plan to store a message; raises `to_device_gap`, `device_unknown` or `device_removed`."""
        target = self.require(message.to)
        if message.n < 1 or (target.last_n != ANY_NUMBER and message.n > target.last_n + 1):
            detail = f"The next message to {message.to.device} of {message.to.username} has n = {target.last_n + 1}."
            raise ChatError(Code.TO_DEVICE_GAP, detail)
        if message.n <= target.last_n:
            return target
        target.last_n, target.is_counted = message.n, True
        size = len(message.body.encode())
        if target.head - target.floor >= self.limits.inbox_messages or target.size + size > self.limits.inbox_bytes:
            target.is_overflowing = True
        most = self.limits.inbox_messages_of_device
        if target.is_overflowing or target.waiting >= most or target.waiting_of_user >= OF_USER * most:
            self.full.add(target.number)
            return target
        target.head += 1
        target.size += size
        target.waiting += 1
        target.waiting_of_user += 1
        self.stored.add(target.number)
        self._rows.append((target.number, target.head, self.sender, message.n, message.kind, message.body))
        return target

    def require(self, address: DeviceAddress) -> TargetDevice:
        """The device at an address; raises `device_unknown` or `device_removed`, which name it."""
        target = self.targets.get(address)
        if target is None:
            raise ChatError(Code.DEVICE_UNKNOWN, f"{address.username} has no device {address.device}.")
        if target.state == DeviceState.REMOVED:
            raise ChatError(Code.DEVICE_REMOVED, f"{address.username} removed the device {address.device}.")
        return target

    def write(self, db: sqlite3.Connection) -> None:
        """Write what is planned."""
        targets = self.targets.values()
        db.executemany(_INSERT, self._rows)
        db.executemany(
            _COUNT, [(self.sender, each.number, each.last_n, each.waiting) for each in targets if each.is_counted]
        )
        db.executemany(_GROW, [(each.head, each.size, each.number) for each in self._grown])
        begun = {device for device, _, _, _, kind, _ in self._rows if kind == ToDeviceKind.OLM_FIRST}
        db.executemany(_USE_CLAIM, [(self.sender, device) for device in begun])
        db.executemany(_SLEEP, [(each.number,) for each in targets if each.is_overflowing])

    @property
    def _grown(self) -> list[TargetDevice]:
        return [each for each in self.targets.values() if each.number in self.stored]

    async def tell(self, transaction: WriteTransaction) -> None:
        """Have gateways told what grew, and count that devices fell asleep."""
        if self.stored:
            transaction.signals.append(InboxesGrew(heads=[(each.number, each.head) for each in self._grown]))
        overflowing = [each for each in self.targets.values() if each.is_overflowing]
        for user_id in sorted({each.user_id for each in overflowing if each.state == DeviceState.LISTED}):
            await recipient_versions.note_change(transaction, user_id, lost=True)


def begun(db: sqlite3.Connection, sender: int, addresses: Iterable[DeviceAddress], limits: Limits) -> Delivery:
    """A delivery of device `sender` to the devices at these addresses; unknown ones are left out."""
    wanted = list(dict.fromkeys(addresses))
    parameters = {"addresses": msgspec.json.encode(wanted).decode(), "sender": sender}
    rows = db.execute(_TARGETS, parameters) if wanted else ()
    return Delivery(sender, limits, {wanted[place]: TargetDevice(*columns) for place, *columns in rows})


def check(messages: Sequence[OutgoingToDevice], limits: Limits) -> None:
    """Raise `bad_request` for a message that is too long, or in clear and not for verification."""
    for message in messages:
        if len(message.body.encode()) > limits.to_device_bytes:
            raise ChatError(Code.BAD_REQUEST, f"A to-device message has at most {limits.to_device_bytes} bytes.")
        if message.kind is ToDeviceKind.CLEAR:
            clear_messages.require_verification(message.body)


async def send(transaction: WriteTransaction, call: ToDeviceCall, limits: Limits) -> None:
    """Store messages of a device for others. One that is not listed yet reaches its owner's devices only."""
    check(call.messages, limits)
    delivered = await run_on_connection(transaction.db, partial(_send, call=call, limits=limits))
    await delivered.tell(transaction)


def _send(db: sqlite3.Connection, *, call: ToDeviceCall, limits: Limits) -> Delivery:
    rows = db.execute(device_access.FIND, (call.user_id, call.device)).fetchall()
    device = device_access.require_bound(rows, call.sid)
    delivered = begun(db, device.number, (message.to for message in call.messages), limits)
    for message in call.messages:
        target = delivered.require(message.to)
        if target.user_id != call.user_id:
            device_access.require_listed(device)
            if target.state == DeviceState.PENDING:
                raise ChatError(Code.DEVICE_UNKNOWN, f"{message.to.username} has no device {message.to.device}.")
        delivered.put(message)
    delivered.write(db)
    return delivered
