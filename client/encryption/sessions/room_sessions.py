"""Megolm sessions: the one with which this device encrypts for a room, and those with which it decrypts.

The key of a session is taken before its first message, so that this device can read what it wrote itself.
"""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any

import msgspec
import vodozemac

from chatterbox.wire.encryption.device_keys import MEGOLM, matrix_room
from chatterbox.wire.encryption.envelope import Envelope, is_device_id, to_base64url
from chatterbox.wire.frames.encryption import DeviceAddress
from client.encryption.core.backup_items import BackupSession
from client.encryption.core.messages.message_payload import Place
from client.encryption.core.messages.recipient_decision import OutboundFacts
from client.encryption.device import backup_queue
from client.encryption.device.backup_queue import BackupKind
from client.encryption.device.device_identity import PICKLE_KEY, DeviceIdentity
from client.encryption.device.trusted_users import TrustedDevice
from client.encryption.sessions.base64_text import from_url, to_url
from client.encryption.store.key_store import StoreTransaction, Table

ROOM_KEY = "m.room_key"
FORWARDED_ROOM_KEY = "m.forwarded_room_key"
KEPT_SHARES = 100
"""Sessions of a room, besides the present one, of which it is remembered who has their keys."""


class OutboundRecord(msgspec.Struct, kw_only=True):
    """The session with which this device encrypts for a room."""

    pickle: str
    session: str
    """Its id, in base64url."""
    n: int = 0
    """The number of the last text that was encrypted and not refused."""
    messages: int = 0
    """How many messages of any kind it encrypted: the next Megolm index."""
    began_ms: int
    began_at: int | None = None
    """The version of the recipients at which its key was first shared."""
    ready: int = -1
    """The version of the recipients, all of whose devices have the key or a reason."""
    began_log: int = 0
    """How many entries the member log of the room had when the session began."""
    log: int = 0
    """How many entries the member log of the room had then."""
    before: Place | None = None
    """The last text of this device in the room before this session."""

    @property
    def last(self) -> Place | None:
        """What the first text of the next session names as the one before it; `device` is empty."""
        return Place("", self.session, self.n) if self.n else self.before


class ShareRecord(msgspec.Struct, kw_only=True):
    """Which devices were given the key of a session."""

    indexes: dict[str, int] = {}
    """By `USERNAME/DEVICE`: from which Megolm index on."""
    unrecorded: list[str] = []
    """Those of them to which it has to be shared again, since the server has no record of it."""


class InboundRecord(msgspec.Struct, kw_only=True):
    """A session with which messages are decrypted: a row of `Table.INBOUND`, named `UID/SESSION/DEVICE`."""

    pickle: str
    user_id: int
    username: str
    """Whose device it is, as its device list named the user when the key came."""
    ed25519: str
    """Of the device."""
    curve25519: str
    """Of the device."""
    master: str
    """The user's master key when the session came."""
    first_index: int
    """The first message that it can decrypt."""
    key_from: str = ""
    """The member who gave the key, if it was not its author: only they vouch for whose it is."""


def inbound_row(uid: str, session: str, device: str) -> str:
    return f"{uid}/{session}/{device}"


def _shares_row(uid: str, session: str) -> str:
    return f"{uid}/{session}"


def _address(device: DeviceAddress) -> str:
    return f"{device.username}/{device.device}"


def outbound(transaction: StoreTransaction, uid: str) -> OutboundRecord | None:
    """The session with which this device encrypts for the room; None: there is none yet."""
    row = transaction.get(Table.OUTBOUND, uid)
    return None if row is None else msgspec.msgpack.decode(row, type=OutboundRecord)


def put_outbound(transaction: StoreTransaction, uid: str, record: OutboundRecord) -> None:
    transaction.put(Table.OUTBOUND, uid, msgspec.msgpack.encode(record))


def shares(transaction: StoreTransaction, uid: str, session: str) -> ShareRecord:
    row = transaction.get(Table.OUTBOUND, _shares_row(uid, session))
    return ShareRecord() if row is None else msgspec.msgpack.decode(row, type=ShareRecord)


def note_shared(
    transaction: StoreTransaction, uid: str, record: OutboundRecord, devices: Iterable[DeviceAddress]
) -> None:
    """These devices are given the key, from the next message on."""
    shared = shares(transaction, uid, record.session)
    given = {_address(device) for device in devices}
    for address in given:
        shared.indexes.setdefault(address, record.messages)
    shared.unrecorded = [address for address in shared.unrecorded if address not in given]
    transaction.put(Table.OUTBOUND, _shares_row(uid, record.session), msgspec.msgpack.encode(shared))


def note_unrecorded(transaction: StoreTransaction, uid: str, session: str, devices: Iterable[DeviceAddress]) -> None:
    """The server refused to record these shares: the devices may have the key, but must be given it again."""
    shared = shares(transaction, uid, session)
    shared.unrecorded = sorted({*shared.unrecorded, *map(_address, devices)} & shared.indexes.keys())
    transaction.put(Table.OUTBOUND, _shares_row(uid, session), msgspec.msgpack.encode(shared))


def forget_records(transaction: StoreTransaction, uid: str, session: str) -> None:
    """The server lacks records of shares: the key is shared again with all who have it."""
    shared = shares(transaction, uid, session)
    shared.unrecorded = sorted(shared.indexes)
    transaction.put(Table.OUTBOUND, _shares_row(uid, session), msgspec.msgpack.encode(shared))


def outbound_facts(transaction: StoreTransaction, uid: str, now_ms: int) -> OutboundFacts | None:
    """What decides whether the session may be used on, and who needs its key."""
    record = outbound(transaction, uid)
    if record is None:
        return None
    shared = shares(transaction, uid, record.session)
    age_s = (now_ms - record.began_ms) / 1000
    holders = frozenset(_parsed(address) for address in shared.indexes)
    unrecorded = frozenset(_parsed(address) for address in shared.unrecorded)
    return OutboundFacts(record.messages, age_s, holders, unrecorded, record.began_at)


def _parsed(address: str) -> DeviceAddress:
    username, _, device = address.rpartition("/")
    return DeviceAddress(username, device)


def begin_outbound(
    transaction: StoreTransaction, uid: str, identity: DeviceIdentity, master: str, now_ms: int
) -> OutboundRecord:
    """Begin a new session for the room, in place of the one before; this device can read it.

    `master`: this user's master key.
    """
    earlier = outbound(transaction, uid)
    group = vodozemac.GroupSession()
    session = to_url(group.session_id)
    record = OutboundRecord(pickle=group.pickle(PICKLE_KEY), session=session, began_ms=now_ms)
    if earlier is not None and earlier.last is not None:
        record.before = earlier.last._replace(device=identity.device_id)
    own = vodozemac.InboundGroupSession(group.session_key)
    _put_inbound(
        transaction,
        inbound_row(uid, session, identity.device_id),
        InboundRecord(
            pickle=own.pickle(PICKLE_KEY),
            user_id=identity.user_id,
            username=identity.username,
            ed25519=identity.ed25519,
            curve25519=identity.curve25519,
            master=master,
            first_index=0,
        ),
    )
    put_outbound(transaction, uid, record)
    _forget_old_shares(transaction, uid, session)
    return record


def _forget_old_shares(transaction: StoreTransaction, uid: str, present: str) -> None:
    rows = [row for row in transaction.names(Table.OUTBOUND, f"{uid}/") if row != _shares_row(uid, present)]
    for row in rows[: -KEPT_SHARES or None] if len(rows) > KEPT_SHARES else ():
        transaction.delete(Table.OUTBOUND, row)


def room_key(record: OutboundRecord, uid: str) -> dict[str, Any]:
    """The content of an `m.room_key`: it reads from the next message on."""
    group = vodozemac.GroupSession.from_pickle(record.pickle, PICKLE_KEY)
    return _key_content(uid, record.session, group.session_key.to_base64())


def _key_content(uid: str, session: str, key: str) -> dict[str, Any]:
    return {
        "algorithm": MEGOLM,
        "room_id": matrix_room(uid),
        "session_id": from_url(session),
        "session_key": key,
    }


def encrypt(transaction: StoreTransaction, uid: str, record: OutboundRecord, device: str, plaintext: bytes) -> Envelope:
    """Encrypt with the room's session, and save that it moved on."""
    group = vodozemac.GroupSession.from_pickle(record.pickle, PICKLE_KEY)
    message = group.encrypt(plaintext)
    record.pickle = group.pickle(PICKLE_KEY)
    record.messages = group.message_index
    put_outbound(transaction, uid, record)
    return Envelope(device, record.session, to_base64url(message.to_bytes()))


def take_room_key(
    transaction: StoreTransaction, content: dict[str, Any], device: TrustedDevice, master: str
) -> tuple[str, str] | None:
    """Store the session of an `m.room_key`, or of an `m.forwarded_room_key`, which `device` sent and encrypts with.

    `master`: the master key of the device's owner. Returns the room's uid and the session's id; None if the content is
    none, or if nothing became readable by it.
    """
    room, key = content.get("room_id"), content.get("session_key")
    if content.get("algorithm") != MEGOLM or not isinstance(room, str) or not isinstance(key, str):
        return None
    uid, session = room_uid(room), _opened(key)
    if not uid or session is None or session.session_id != content.get("session_id"):
        return None
    name = to_url(session.session_id)
    record = InboundRecord(
        pickle=session.pickle(PICKLE_KEY),
        user_id=device.user_id,
        username=device.username,
        ed25519=device.ed25519,
        curve25519=device.curve25519,
        master=master,
        first_index=session.first_known_index,
    )
    return (uid, name) if _put_inbound(transaction, inbound_row(uid, name, device.device_id), record) else None


def _opened(key: str) -> vodozemac.InboundGroupSession | None:
    """A session by its key, shared or exported."""
    with suppress(ValueError):
        return vodozemac.InboundGroupSession(vodozemac.SessionKey(key))
    with suppress(ValueError):
        return vodozemac.InboundGroupSession.import_session(vodozemac.ExportedSessionKey(key))
    return None


def _put_inbound(transaction: StoreTransaction, row: str, record: InboundRecord, *, backed_up: bool = False) -> bool:
    """Store a session, as far as it adds to the one that is held; have it backed up. Whether more can be read by it."""
    held = inbound(transaction, row)
    best = record if held is None else _better(held, record)
    if best == held:
        return False
    transaction.put(Table.INBOUND, row, msgspec.msgpack.encode(best))
    if not backed_up or best != record:
        backup_queue.add(transaction, BackupKind.ROOM_SESSION, row)
    return held is None or best.pickle != held.pickle or best.key_from != held.key_from


def _better(held: InboundRecord, offered: InboundRecord) -> InboundRecord:
    """What two copies of a session are together. A copy that its author gave is never replaced by one of others.

    One that others gave may reach further back. It is believed if it leads to the ratchet of the author's copy: its
    messages bear the same signature then, so they are the author's, no matter who gave the key.
    """
    if held.key_from == offered.key_from:
        return offered if offered.first_index < held.first_index else held
    authors, vouched = (held, offered) if offered.key_from else (offered, held)
    if authors.key_from:  # two members vouch for it: the first one counts, unless the other adds to it
        authors, vouched = held, offered
    if vouched.first_index < authors.first_index and _leads_to(vouched, authors):
        return msgspec.structs.replace(authors, pickle=vouched.pickle, first_index=vouched.first_index)
    return authors


def _leads_to(earlier: InboundRecord, later: InboundRecord) -> bool:
    """Whether the ratchet of one copy of a session is at `later.first_index` that of the other copy."""
    opened = [vodozemac.InboundGroupSession.from_pickle(each.pickle, PICKLE_KEY) for each in (earlier, later)]
    exported = [each.export_at(later.first_index) for each in opened]
    return None not in exported and len({each.to_base64() for each in exported if each is not None}) == 1


def inbound(transaction: StoreTransaction, row: str) -> InboundRecord | None:
    """A session that decrypts; None: it is not known."""
    found = transaction.get(Table.INBOUND, row)
    return None if found is None else msgspec.msgpack.decode(found, type=InboundRecord)


def forwarded_key(transaction: StoreTransaction, uid: str, session: str, device: str, index: int) -> dict[str, Any]:
    """The content of an `m.forwarded_room_key` of an own session, from `index` on; empty if there is none such."""
    record = inbound(transaction, inbound_row(uid, session, device))
    if record is None:
        return {}
    opened = vodozemac.InboundGroupSession.from_pickle(record.pickle, PICKLE_KEY)
    exported = opened.export_at(index)
    return {} if exported is None else _key_content(uid, session, exported.to_base64())


def export_session(transaction: StoreTransaction, row: str) -> BackupSession | None:
    """A session as the key backup has it, from its first index on; None if it is not known."""
    record = inbound(transaction, row)
    if record is None:
        return None
    uid, session, device = row.split("/")
    opened = vodozemac.InboundGroupSession.from_pickle(record.pickle, PICKLE_KEY)
    exported = opened.export_at(record.first_index)
    if exported is None:
        return None
    return BackupSession(
        room_id=matrix_room(uid),
        session_id=from_url(session),
        session_key=exported.to_base64(),
        sender_key=record.curve25519,
        sender_claimed_keys={"ed25519": record.ed25519},
        user_id=record.user_id,
        username=record.username,
        device=device,
        master=record.master,
        first_index=record.first_index,
        key_from=record.key_from,
    )


def import_session(transaction: StoreTransaction, item: BackupSession, *, backed_up: bool) -> tuple[str, str] | None:
    """Store a session of a key backup or an export, unless one is held that reads as much.

    Returns the room's uid and the session's id if more can be read by it. `backed_up`: the backup has it already.
    Raises `ValueError` for what is no session.
    """
    uid = room_uid(item.room_id)
    opened = vodozemac.InboundGroupSession.import_session(vodozemac.ExportedSessionKey(item.session_key))
    session = to_url(opened.session_id)
    if not uid or session != to_url(item.session_id) or not is_device_id(item.device):
        raise ValueError("another session")
    record = InboundRecord(
        pickle=opened.pickle(PICKLE_KEY),
        user_id=item.user_id,
        username=item.username,
        ed25519=item.sender_claimed_keys.get("ed25519", ""),
        curve25519=item.sender_key,
        master=item.master,
        first_index=opened.first_known_index,
        key_from=item.key_from,
    )
    is_new = _put_inbound(transaction, inbound_row(uid, session, item.device), record, backed_up=backed_up)
    return (uid, session) if is_new else None


def room_uid(room_id: str) -> str:
    """The uid in the name of a room, as `matrix_room` makes it; empty if it is none."""
    uid = room_id.removeprefix("!").removesuffix(":chatterbox")
    return uid if room_id == matrix_room(uid) and "/" not in uid else ""


def may_have(transaction: StoreTransaction, uid: str, session: str, device: DeviceAddress) -> int | None:
    """From which index on a device was given a session of this device; None: it never was."""
    return shares(transaction, uid, session).indexes.get(_address(device))


def rooms_with_sessions(transaction: StoreTransaction) -> Sequence[str]:
    """The uids of the rooms for which this device has a session to encrypt with."""
    return [row for row in transaction.names(Table.OUTBOUND) if "/" not in row]


def forget_outbound(transaction: StoreTransaction) -> None:
    """Throw away every session to encrypt with: the key store is an old copy, so their ratchets may have been used."""
    for row in rooms_with_sessions(transaction):
        transaction.delete(Table.OUTBOUND, row)


def uid_of(transaction: StoreTransaction, session: str) -> str:
    """The room of a session of this device; empty if there is none such."""
    rows = transaction.names(Table.OUTBOUND)
    return next((row.partition("/")[0] for row in rows if row.endswith(f"/{session}")), "")
