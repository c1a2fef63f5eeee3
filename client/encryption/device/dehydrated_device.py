"""The dehydrated device: it is listed, and receives keys while no other device of the user is there.

Its account is an item of the key backup. The device that opens the backup next reads its to-device messages; devices
that are there do so weekly, and replace it, so that the keys of old messages do not lie about for ever.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import msgspec
import vodozemac

from chatterbox.wire.encryption.device_keys import DeviceKeys, SignedKey, UserKeys, matrix_user
from chatterbox.wire.encryption.key_api import DeviceListUpload, DeviceUpload
from chatterbox.wire.frames import EncryptionCommand, EncryptionReply, ToDevice
from chatterbox.wire.frames.encryption import Inbox, OpenInbox, Take, ToDeviceKind
from chatterbox.wire.position import Whole
from client.encryption.core import list_changes
from client.encryption.core.cross_signatures import signed_by
from client.encryption.core.messages import olm_payload
from client.encryption.core.messages.olm_payload import OlmParty, OlmPayload, OlmPayloadError
from client.encryption.device import backup_queue
from client.encryption.device.backup_queue import BackupKind
from client.encryption.device.device_identity import (
    PICKLE_KEY,
    DeviceIdentity,
    UserSecrets,
    account_keys,
    account_signed,
    new_device_id,
)
from client.encryption.device.key_backup import KeyBackup, dehydrated_row
from client.encryption.device.own_list import OwnList
from client.encryption.device.trusted_users import TrustedDevice, TrustedUsers
from client.encryption.sessions import room_sessions
from client.encryption.sessions.base64_text import from_base64
from client.encryption.store.key_store import KeyStore, StoreTransaction, Table
from client.net.keys_api import KeysApi

WEEK_MS = 7 * 24 * 3600 * 1000
PUSH_S = 15.0
"""How long the next message of an inbox that has some is waited for (seconds)."""
_BATCH = 50
_STATE = "dehydrated"

Ask = Callable[[EncryptionCommand], Awaitable[EncryptionReply]]


class DehydratedState(msgspec.Struct, frozen=True, kw_only=True):
    """What this device knows of the dehydrated device."""

    device_id: str = ""
    """The one that this device made last."""
    made_ms: Whole = 0
    is_listed: bool = False


class DehydratedDevice:
    """The dehydrated device of the user. Synchronous calls raise `Failure` and hold no transaction meanwhile."""

    def __init__(
        self,
        store: KeyStore,
        api: KeysApi,
        users: TrustedUsers,
        own_list: OwnList,
        backup: KeyBackup,
        now_ms: Callable[[], int],
    ) -> None:
        self._store = store
        self._api = api
        self._users = users
        self._list = own_list
        self._backup = backup
        self._now_ms = now_ms

    def listed(self, identity: DeviceIdentity) -> str:
        """The id of the dehydrated device in the user's list, if its account is here; empty: there is none to read."""
        with self._store.transaction() as transaction:
            keys = self._users.keys(transaction, identity.user_id)
            device_id = keys.list.dehydrated if keys else ""
            return device_id if device_id and transaction.get(Table.META, dehydrated_row(device_id)) else ""

    def is_replacement_due(self, identity: DeviceIdentity) -> bool:
        """Whether this device should make a dehydrated device: there is none, or it is a week old."""
        with self._store.transaction() as transaction:
            keys, secrets = self._users.keys(transaction, identity.user_id), identity.secrets(transaction)
            state = _stored_state(transaction)
        if keys is None or not (secrets.self_signing and secrets.item_keys):
            return False
        if not keys.list.dehydrated or (state.device_id and not state.is_listed):
            return True
        if keys.list.dehydrated != state.device_id:
            self._note_other(keys.list.dehydrated)
            return False
        return not 0 <= self._now_ms() - state.made_ms < WEEK_MS

    def replace(self, identity: DeviceIdentity) -> str:
        """Make a dehydrated device in place of the one that is listed; returns its id. Call it again after a crash.

        Its account is in the backup before it is listed: else no device could read what is sent to it.
        """
        with self._store.transaction() as transaction:
            device_id, account = self._made(transaction)
            secrets = identity.secrets(transaction)
        self._backup.upload_all(identity)
        keys = account_keys(identity.user_id, device_id, account)
        keys = signed_by(keys, identity.matrix_user, secrets.self_signing)
        if all(device.device != device_id for device in self._api.devices().devices):
            fallback = {
                f"signed_curve25519:{key_id}": account_signed(
                    SignedKey(key=key.to_base64(), signatures={}, fallback=True), identity.user_id, device_id, account
                )
                for key_id, key in _fallback(account).items()
            }
            self._api.put_device(
                DeviceUpload(device=device_id, keys=keys, generation=1, fallback=fallback, dehydrated=True)
            )
        self._list.change(identity, lambda held, secret: self._with_device(held, secret, keys))
        with self._store.transaction() as transaction:
            _put_state(transaction, msgspec.structs.replace(_stored_state(transaction), is_listed=True))
        return device_id

    def _with_device(self, held: UserKeys, secrets: UserSecrets, keys: DeviceKeys) -> DeviceListUpload | None:
        if held.list.dehydrated == keys.device_id:
            return None
        return list_changes.changed_list(held, self._list.key_for(held, secrets), dehydrated=keys)

    def _made(self, transaction: StoreTransaction) -> tuple[str, vodozemac.Account]:
        """The account that is being listed, or a new one; queued for the backup."""
        state = _stored_state(transaction)
        pickle = transaction.get(Table.META, dehydrated_row(state.device_id)) if not state.is_listed else None
        if state.device_id and pickle is not None:
            return state.device_id, vodozemac.Account.from_pickle(pickle.decode(), PICKLE_KEY)
        account = vodozemac.Account()
        account.generate_fallback_key()  # type: ignore[attr-defined]
        device_id = new_device_id()
        transaction.put(Table.META, dehydrated_row(device_id), account.pickle(PICKLE_KEY).encode())
        _put_state(transaction, DehydratedState(device_id=device_id, made_ms=self._now_ms()))
        backup_queue.add(transaction, BackupKind.DEHYDRATED, device_id)
        return device_id, account

    def _note_other(self, device_id: str) -> None:
        """Another device made the one that is listed: from now on it is a week old in a week."""
        with self._store.transaction() as transaction:
            _put_state(transaction, DehydratedState(device_id=device_id, made_ms=self._now_ms(), is_listed=True))

    def forget(self, device_id: str) -> None:
        """Its messages are read and it is not listed any more: delete the account here."""
        with self._store.transaction() as transaction:
            transaction.delete(Table.META, dehydrated_row(device_id))


@dataclass(slots=True)
class DehydratedMessages:
    """What came out of a dehydrated device's inbox."""

    arrived: set[tuple[str, str]] = field(default_factory=set)
    """Sessions with which more can be read: the room's uid and the session's id."""
    read: int = 0
    bad: int = 0
    """Messages that do not decrypt, or whose sender is in no list."""


class DehydratedInbox:
    """Reads the to-device messages of a dehydrated device, over the connection of another device of its owner."""

    def __init__(
        self,
        identity: DeviceIdentity,
        device_id: str,
        pickle: bytes,
        find_device: Callable[[StoreTransaction, str, str], TrustedDevice | None],
        master_of: Callable[[StoreTransaction, int], str],
    ) -> None:
        """`find_device`: by username and device id. `master_of`: a user's master key, by the user's id."""
        self.device_id = device_id
        self._account = vodozemac.Account.from_pickle(pickle.decode(), PICKLE_KEY)
        self._me = OlmParty(matrix_user(identity.user_id), self._account.ed25519_key.to_base64())
        self._find_device = find_device
        self._master_of = master_of
        self._pushes: asyncio.Queue[ToDevice] = asyncio.Queue()
        self._sessions: dict[str, list[vodozemac.Session]] = {}

    def take(self, push: ToDevice) -> None:
        """Take a push to this dehydrated device."""
        self._pushes.put_nowait(push)

    async def read(
        self, ask: Ask, run: Callable[[Callable[[StoreTransaction], Any]], Awaitable[Any]]
    ) -> DehydratedMessages:
        """Read the inbox to its head. `run`: does work in one transaction, in the thread of the store.

        What is read is stored before the server may forget it.
        """
        found = DehydratedMessages()
        opened = await ask(OpenInbox(id=0, device=self.device_id))
        assert isinstance(opened, Inbox)  # noqa: S101 - the reply to the command
        done = opened.at.offset
        while done < opened.head:
            batch = [await asyncio.wait_for(self._pushes.get(), PUSH_S)]
            while len(batch) < _BATCH and not self._pushes.empty():
                batch.append(self._pushes.get_nowait())
            new = [push for push in batch if push.at.offset > done]
            if not new:
                continue
            await run(partial(self._work_off, pushes=new, found=found))
            done = new[-1].at.offset
            await ask(Take(id=0, device=self.device_id, upto=done))
        return found

    def _work_off(self, transaction: StoreTransaction, pushes: Sequence[ToDevice], found: DehydratedMessages) -> None:
        for push in pushes:
            found.read += 1
            device = self._find_device(transaction, push.username, push.sender)
            payload = self._payload(device, push) if device else None
            if device is None or payload is None:
                found.bad += 1
            elif payload.type in {room_sessions.ROOM_KEY, room_sessions.FORWARDED_ROOM_KEY}:
                master = self._master_of(transaction, device.user_id)
                arrived = room_sessions.take_room_key(transaction, payload.content, device, master)
                if arrived is not None:
                    found.arrived.add(arrived)

    def _payload(self, device: TrustedDevice, push: ToDevice) -> OlmPayload | None:
        if push.kind is ToDeviceKind.CLEAR:
            return None
        sender = OlmParty(matrix_user(device.user_id), device.ed25519)
        try:
            plaintext = self._plaintext(device, push)
            return olm_payload.parse(plaintext, sender=sender, recipient=self._me)
        except (ValueError, OlmPayloadError):
            return None

    def _plaintext(self, device: TrustedDevice, push: ToDevice) -> bytes:
        """Decrypt. This device never answers, so each message begins a session, or repeats its beginning."""
        kind = 0 if push.kind is ToDeviceKind.OLM_FIRST else 1
        message = vodozemac.AnyOlmMessage.from_parts(kind, from_base64(push.body))
        first = message.to_pre_key()
        sessions = self._sessions.setdefault(device.curve25519, [])
        for session in sessions:
            if first is None or session.session_matches(first):
                return session.decrypt(message)
        if first is None:
            raise ValueError("no session decrypts it")
        key = vodozemac.Curve25519PublicKey.from_base64(device.curve25519)
        session, plaintext = self._account.create_inbound_session(key, first)
        sessions.append(session)
        return plaintext


def _fallback(account: vodozemac.Account) -> dict[str, vodozemac.Curve25519PublicKey]:
    found: dict[str, vodozemac.Curve25519PublicKey] = account.fallback_key  # type: ignore[attr-defined]
    return found


def _stored_state(transaction: StoreTransaction) -> DehydratedState:
    row = transaction.get(Table.META, _STATE)
    return DehydratedState() if row is None else msgspec.json.decode(row, type=DehydratedState)


def _put_state(transaction: StoreTransaction, state: DehydratedState) -> None:
    transaction.put(Table.META, _STATE, msgspec.json.encode(state))
