"""Olm sessions with other devices: encrypts and decrypts to-device messages, inside one transaction of the key store.

Both sides may begin a session at the same time, and one of them may lose its own. So the session that decrypted last
is used, and a few earlier ones are kept for messages that are still on their way.
"""

from typing import Any

import msgspec
import vodozemac

from chatterbox.wire.encryption.device_keys import SignedKey, matrix_user
from chatterbox.wire.encryption.signatures import SignatureError, verify
from chatterbox.wire.frames.encryption import DeviceAddress, OutgoingToDevice, ToDeviceKind
from client.encryption.core.messages import olm_payload
from client.encryption.core.messages.olm_payload import OlmParty, OlmPayload, OlmPayloadError
from client.encryption.device.device_identity import PICKLE_KEY, DeviceIdentity
from client.encryption.device.trusted_users import TrustedDevice
from client.encryption.sessions.base64_text import from_base64, to_base64
from client.encryption.store.key_store import StoreTransaction, Table

KEPT_SESSIONS = 4
"""Sessions with one device; the ones that decrypted longest ago are dropped."""
_RAISED = 1_000_000
"""How much numbers are raised when it is not known how far they were used: the server then tells the next one."""
_FIRST_NUMBER = "to_device_base"
RENEWAL_MS = 3600 * 1000
"""Least time between two new sessions with a device whose messages can't be decrypted."""


class OlmFailure(Exception):  # noqa: N818 - damage that is healed, not a bug
    """A to-device message can't be decrypted with any session, or it is not by the device that it names."""


class PeerRecord(msgspec.Struct, kw_only=True):
    """What is stored of another device."""

    sessions: list[str] = []
    """Pickles; the one that decrypted last, or was begun last, is first."""
    sent: int = 0
    """Messages to the device that were numbered."""
    received: int = 0
    """The number of the last message from the device."""
    has_gap: bool = False
    """A message of the device was lost or could not be decrypted: it may have had keys."""
    renewed_ms: int = 0
    """When a new session was begun because of that."""
    begun: tuple[str, str] = ("", "")
    """The one-time key of the device with which a session was begun last, and the id of that session."""


def _row(user_id: int, device: str) -> str:
    return f"{user_id}/{device}"


def _peer(transaction: StoreTransaction, row: str) -> PeerRecord:
    stored = transaction.get(Table.OLM_SESSIONS, row)
    if stored is not None:
        return msgspec.msgpack.decode(stored, type=PeerRecord)
    return PeerRecord(sent=int(transaction.get(Table.META, _FIRST_NUMBER) or b"0"))


def _put_peer(transaction: StoreTransaction, row: str, peer: PeerRecord) -> None:
    transaction.put(Table.OLM_SESSIONS, row, msgspec.msgpack.encode(peer))


def set_sent(transaction: StoreTransaction, user_id: int, device: str, sent: int) -> None:
    """The last number of a message to a device is `sent`: the server said so, or does not take later ones."""
    peer = _peer(transaction, _row(user_id, device))
    peer.sent = sent
    _put_peer(transaction, _row(user_id, device), peer)


def forget_sessions(transaction: StoreTransaction) -> None:
    """Throw away all sessions: the key store is an old copy, so their ratchets and numbers may have been used.

    A number that was used would be taken as sent already. So all are raised, and the server tells the right ones. Keys
    that came since the copy was made are asked for again.
    """
    base = int(transaction.get(Table.META, _FIRST_NUMBER) or b"0") + _RAISED
    transaction.put(Table.META, _FIRST_NUMBER, str(base).encode())
    for row in transaction.names(Table.OLM_SESSIONS):
        _put_peer(transaction, row, PeerRecord(sent=base, has_gap=True))


class OlmSessions:
    """The sessions of this device, while a transaction is held. Call `save` before it is committed."""

    def __init__(self, transaction: StoreTransaction, identity: DeviceIdentity, list_version: int = 0) -> None:
        """`list_version`: of this user's own device list, which is told in each message."""
        self._transaction = transaction
        self.identity = identity
        self._list_version = list_version
        self._account: vodozemac.Account | None = None
        self._is_account_changed = False

    def save(self) -> None:
        """Write the account if a one-time key was used."""
        if self._account is not None and self._is_account_changed:
            self.identity.save_account(self._transaction, self._account)

    def peer(self, user_id: int, device: str) -> PeerRecord:
        return _peer(self._transaction, _row(user_id, device))

    def has_session(self, device: TrustedDevice) -> bool:
        return bool(self.peer(device.user_id, device.device_id).sessions)

    def put_peer(self, user_id: int, device: str, peer: PeerRecord) -> None:
        _put_peer(self._transaction, _row(user_id, device), peer)

    def begin(self, device: TrustedDevice, key: SignedKey) -> bool:
        """Begin a session with a claimed key; false if the key is not signed by the device.

        The server gives the same one-time key again while no message arrived that uses it. The device can open one
        session with it, so the one that was begun with it is used then.
        """
        try:
            verify(key, matrix_user(device.user_id), device.device_id, device.ed25519, "the one-time key")
            session = self._own_account().create_outbound_session(
                vodozemac.Curve25519PublicKey.from_base64(device.curve25519),
                vodozemac.Curve25519PublicKey.from_base64(key.key),
            )
        except (SignatureError, ValueError):
            return False
        peer = self.peer(device.user_id, device.device_id)
        begun = [] if key.fallback or key.key != peer.begun[0] else _with_id(peer.sessions, peer.begun[1])
        others = [pickle for pickle in peer.sessions if pickle not in begun]
        peer.sessions = [*(begun or [session.pickle(PICKLE_KEY)]), *others][:KEPT_SESSIONS]
        if not begun:
            peer.begun = (key.key, session.session_id)
        self.put_peer(device.user_id, device.device_id, peer)
        return True

    def encrypt(self, device: TrustedDevice, type_: str, content: dict[str, Any]) -> OutgoingToDevice | None:
        """The next message to a device; None if there is no session with it."""
        peer = self.peer(device.user_id, device.device_id)
        if not peer.sessions:
            return None
        session = vodozemac.Session.from_pickle(peer.sessions[0], PICKLE_KEY)
        peer.sent += 1
        plaintext = olm_payload.build(
            type_,
            content,
            sender=self._me,
            recipient=_party(device),
            n=peer.sent,
            list_version=self._list_version,
        )
        kind, body = session.encrypt(plaintext).to_parts()
        peer.sessions[0] = session.pickle(PICKLE_KEY)
        self.put_peer(device.user_id, device.device_id, peer)
        return OutgoingToDevice(
            to=DeviceAddress(device.username, device.device_id),
            n=peer.sent,
            kind=ToDeviceKind.OLM_FIRST if kind == 0 else ToDeviceKind.OLM,
            body=to_base64(body),
        )

    def in_clear(self, user_id: int, address: DeviceAddress, type_: str, content: dict[str, Any]) -> OutgoingToDevice:
        """The next message to a device, in clear: for verification only."""
        peer = self.peer(user_id, address.device)
        peer.sent += 1
        self.put_peer(user_id, address.device, peer)
        body = msgspec.json.encode({"type": type_, "content": content}).decode()
        return OutgoingToDevice(to=address, n=peer.sent, kind=ToDeviceKind.CLEAR, body=body)

    def decrypt(self, device: TrustedDevice, kind: ToDeviceKind, body: str) -> OlmPayload:
        """Decrypt a message of a device; raises `OlmFailure`, and changes no session then."""
        peer = self.peer(device.user_id, device.device_id)
        try:
            plaintext = self._plaintext(peer, device, kind, from_base64(body))
            payload = olm_payload.parse(plaintext, sender=_party(device), recipient=self._me)
        except (ValueError, OlmPayloadError) as problem:
            raise OlmFailure("an Olm message can't be decrypted") from problem
        peer.has_gap |= payload.n > peer.received + 1
        peer.received = max(peer.received, payload.n)
        self.put_peer(device.user_id, device.device_id, peer)
        return payload

    def _plaintext(self, peer: PeerRecord, device: TrustedDevice, kind: ToDeviceKind, body: bytes) -> bytes:
        """Decrypt, and move the session that did to the front. Raises `ValueError`, as vodozemac does."""
        message = vodozemac.AnyOlmMessage.from_parts(0 if kind is ToDeviceKind.OLM_FIRST else 1, body)
        first = message.to_pre_key()
        for pickle in peer.sessions:
            session = vodozemac.Session.from_pickle(pickle, PICKLE_KEY)
            if first is not None and not session.session_matches(first):
                continue
            try:
                plaintext = session.decrypt(message)
            except ValueError:
                if first is not None:
                    raise
                continue
            others = [each for each in peer.sessions if each != pickle]
            peer.sessions = [session.pickle(PICKLE_KEY), *others]
            return plaintext
        if first is None:
            raise ValueError("no session decrypts it")
        key = vodozemac.Curve25519PublicKey.from_base64(device.curve25519)
        session, plaintext = self._own_account().create_inbound_session(key, first)
        self._is_account_changed = True
        peer.sessions = [session.pickle(PICKLE_KEY), *peer.sessions][:KEPT_SESSIONS]
        return plaintext

    def may_renew(self, user_id: int, device: str, now_ms: int) -> bool:
        """Note that a message of the device can't be decrypted; whether a new session may be begun with it now."""
        peer = self.peer(user_id, device)
        peer.has_gap = True
        may = not 0 <= now_ms - peer.renewed_ms < RENEWAL_MS
        if may:
            peer.renewed_ms = now_ms
        self.put_peer(user_id, device, peer)
        return may

    @property
    def _me(self) -> OlmParty:
        return OlmParty(self.identity.matrix_user, self.identity.ed25519)

    def _own_account(self) -> vodozemac.Account:
        if self._account is None:
            self._account = self.identity.account(self._transaction)
        return self._account


def _with_id(pickles: list[str], session_id: str) -> list[str]:
    """The session with this id, if it is one of these."""
    return [each for each in pickles if vodozemac.Session.from_pickle(each, PICKLE_KEY).session_id == session_id]


def _party(device: TrustedDevice) -> OlmParty:
    return OlmParty(matrix_user(device.user_id), device.ed25519)
