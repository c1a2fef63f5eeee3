"""Devices with real keys, made by vodozemac: what they upload, the messages they send, and what they can read.

It checks nothing of what it is given: tests of the client's checks use the client.
"""

import base64
import json
from typing import Any, TypeVar

import msgspec
import vodozemac
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chatterbox.wire.encryption.device_keys import (
    MEGOLM,
    OLM,
    CrossSigningKey,
    DeviceKeys,
    DeviceList,
    SignedKey,
    matrix_room,
    matrix_user,
    signed_part,
)
from chatterbox.wire.encryption.envelope import Envelope
from chatterbox.wire.encryption.key_api import DeviceListUpload, DeviceUpload
from chatterbox.wire.encryption.signatures import binding_proof, device_hash
from chatterbox.wire.frames import ClaimedKey, DeviceAddress, OutgoingToDevice, ToDeviceKind

T = TypeVar("T", bound=msgspec.Struct)


class OlmUser:
    """A user with a master key and a self-signing key, who signs the list of their devices."""

    def __init__(self, user_id: int, username: str) -> None:
        self.user_id = user_id
        self.username = username
        self.master = Ed25519PrivateKey.generate()
        self.self_signing = Ed25519PrivateKey.generate()
        self.generation = 1
        self.version = 0

    @property
    def name(self) -> str:
        """The user inside signed objects."""
        return matrix_user(self.user_id)

    def cross_signing(self) -> tuple[CrossSigningKey, CrossSigningKey]:
        """The public master key, and the self-signing key, which the master key signed."""
        master, own = _public(self.master), _public(self.self_signing)
        unsigned = CrossSigningKey(user_id=self.name, usage=("self_signing",), keys={f"ed25519:{own}": own})
        signature = _sign(self.master, signed_part(unsigned))
        return (
            CrossSigningKey(user_id=self.name, usage=("master",), keys={f"ed25519:{master}": master}),
            CrossSigningKey(
                user_id=self.name,
                usage=unsigned.usage,
                keys=unsigned.keys,
                signatures={self.name: {f"ed25519:{master}": signature}},
            ),
        )

    def list_devices(
        self, *devices: "OlmDevice", removed: tuple[str, ...] = (), dehydrated: str = "", reset: bool = False
    ) -> DeviceListUpload:
        """The next version of the user's device list, signed."""
        self.version += 1
        master, self_signing = self.cross_signing()
        public = _public(self.self_signing)
        unsigned = DeviceList(
            user_id=self.name,
            username=self.username,
            generation=self.generation,
            version=self.version,
            devices={device.device_id: device_hash(device.keys) for device in devices},
            removed=removed,
            dehydrated=dehydrated,
            signatures={},
        )
        signature = _sign(self.self_signing, signed_part(unsigned))
        return DeviceListUpload(
            master=master,
            self_signing=self_signing,
            list=_with(unsigned, {self.name: {f"ed25519:{public}": signature}}),
            device_keys={device.device_id: device.signed_by_user() for device in devices},
            reset=reset,
        )


class OlmDevice:
    """A device of `user`: its account, its Olm sessions, and its Megolm sessions."""

    def __init__(self, user: OlmUser, device_id: str) -> None:
        self.user = user
        self.device_id = device_id
        self.account = vodozemac.Account()
        self.generation = 0
        self.counts: dict[DeviceAddress, int] = {}
        """Messages sent to each device."""
        self.outbound: dict[DeviceAddress, vodozemac.Session] = {}
        self.inbound: dict[DeviceAddress, vodozemac.Session] = {}
        self.rooms: dict[str, vodozemac.InboundGroupSession] = {}
        """Megolm sessions that it can read, by id in base64url."""
        self.keys = self._keys()

    @property
    def address(self) -> DeviceAddress:
        return DeviceAddress(self.user.username, self.device_id)

    def _keys(self) -> DeviceKeys:
        own = {
            f"curve25519:{self.device_id}": self.account.curve25519_key.to_base64(),
            f"ed25519:{self.device_id}": self.account.ed25519_key.to_base64(),
        }
        unsigned = DeviceKeys(
            user_id=self.user.name, device_id=self.device_id, algorithms=(OLM, MEGOLM), keys=own, signatures={}
        )
        return _with(unsigned, self._signatures(signed_part(unsigned)))

    def _signatures(self, data: bytes) -> dict[str, dict[str, str]]:
        return {self.user.name: {f"ed25519:{self.device_id}": self.account.sign(data).to_base64()}}

    def signed_by_user(self) -> DeviceKeys:
        """Its keys, signed by the user's self-signing key as well."""
        public = _public(self.user.self_signing)
        signature = _sign(self.user.self_signing, signed_part(self.keys))
        own = self.keys.signatures[self.user.name]
        return _with(self.keys, {self.user.name: {**own, f"ed25519:{public}": signature}})

    # Uploads

    def upload(self, *, one_time: int = 5, session: str = "", dehydrated: bool = False) -> DeviceUpload:
        """The body of `PUT /keys/device`; `session`: another login session than the one it was bound to."""
        self.generation += 1
        return DeviceUpload(
            device=self.device_id,
            keys=self.keys,
            generation=self.generation,
            one_time=self.one_time_keys(one_time),
            fallback=self.fallback_key(),
            proof=self.account.sign(binding_proof(self.device_id, session)).to_base64() if session else "",
            dehydrated=dehydrated,
        )

    def one_time_keys(self, count: int) -> dict[str, SignedKey]:
        """New one-time keys, signed, by id."""
        self.account.generate_one_time_keys(count)
        made = {key_id: self._signed_key(key) for key_id, key in self.account.one_time_keys.items()}
        self.account.mark_keys_as_published()
        return made

    def fallback_key(self) -> dict[str, SignedKey]:
        """A new fallback key, signed, by id."""
        account: Any = self.account  # the library's type hints lack both
        account.generate_fallback_key()
        made = {key_id: self._signed_key(key, fallback=True) for key_id, key in account.fallback_key.items()}
        self.account.mark_keys_as_published()
        return made

    def _signed_key(self, key: vodozemac.Curve25519PublicKey, *, fallback: bool = False) -> SignedKey:
        unsigned = SignedKey(key=key.to_base64(), signatures={}, fallback=fallback)
        return _with(unsigned, self._signatures(signed_part(unsigned)))

    # To-device messages

    def begin(self, claimed: ClaimedKey, keys: DeviceKeys) -> None:
        """Begin an Olm session with a device, whose `keys` and one-time key are known."""
        identity = vodozemac.Curve25519PublicKey.from_base64(keys.keys[f"curve25519:{claimed.device}"])
        one_time = vodozemac.Curve25519PublicKey.from_base64(claimed.key.key)
        to = DeviceAddress(claimed.username, claimed.device)
        self.outbound[to] = self.account.create_outbound_session(identity, one_time)

    def encrypt_to(self, to: DeviceAddress, payload: dict[str, Any]) -> OutgoingToDevice:
        """The next message to a device with which a session was begun."""
        self.counts[to] = self.counts.get(to, 0) + 1
        kind, body = self.outbound[to].encrypt(json.dumps(payload).encode()).to_parts()
        return OutgoingToDevice(
            to=to,
            n=self.counts[to],
            kind=ToDeviceKind.OLM if kind else ToDeviceKind.OLM_FIRST,
            body=base64.b64encode(body).rstrip(b"=").decode(),
        )

    def decrypt_from(self, sender: "OlmDevice", pushed: dict[str, Any]) -> dict[str, Any]:
        """The payload of a `to_device` frame; of a room key, the session is kept."""
        body = base64.b64decode(pushed["body"] + "=" * (-len(pushed["body"]) % 4))
        if pushed["kind"] == ToDeviceKind.OLM_FIRST and sender.address not in self.inbound:
            first = vodozemac.AnyOlmMessage.pre_key(body).to_pre_key()
            assert first is not None
            identity = sender.account.curve25519_key
            self.inbound[sender.address], text = self.account.create_inbound_session(identity, first)
        else:
            kind = 0 if pushed["kind"] == ToDeviceKind.OLM_FIRST else 1
            text = self.inbound[sender.address].decrypt(vodozemac.AnyOlmMessage.from_parts(kind, body))
        payload: dict[str, Any] = json.loads(text)
        if payload["type"] == "m.room_key":
            key = vodozemac.SessionKey(payload["content"]["session_key"])
            self.keep(vodozemac.InboundGroupSession(key))
        return payload

    def keep(self, session: vodozemac.InboundGroupSession) -> None:
        self.rooms[wire_id(session.session_id)] = session

    # Messages of rooms

    def new_session(self) -> "OutboundSession":
        """A Megolm session of its own, which it can read itself."""
        session = OutboundSession(self)
        self.keep(vodozemac.InboundGroupSession(vodozemac.SessionKey(session.key)))
        return session

    def read(self, content: str) -> dict[str, Any]:
        """What an envelope says; `KeyError` if it has not got the session."""
        _, _, session, body = content.split(".")
        message = vodozemac.MegolmMessage.from_bytes(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
        payload: dict[str, Any] = json.loads(self.rooms[session].decrypt(message).plaintext)
        return payload


class OutboundSession:
    """A Megolm session with which `device` sends."""

    def __init__(self, device: OlmDevice) -> None:
        self.device = device
        self._session = vodozemac.GroupSession()
        self.key = self._session.session_key.to_base64()
        """As it begins; taken before the first message is encrypted."""
        self.session_id = wire_id(self._session.session_id)

    def room_key(self, uid: str, to: DeviceKeys) -> dict[str, Any]:
        """The payload that gives the session to a device."""
        sender, device = self.device.user.name, self.device.device_id
        return {
            "type": "m.room_key",
            "content": {
                "algorithm": MEGOLM,
                "room_id": matrix_room(uid),
                "session_id": self._session.session_id,
                "session_key": self.key,
            },
            "sender": sender,
            "recipient": to.user_id,
            "recipient_keys": {"ed25519": to.keys[f"ed25519:{to.device_id}"]},
            "keys": {"ed25519": self.device.keys.keys[f"ed25519:{device}"]},
        }

    def encrypt(self, uid: str, text: str) -> str:
        """An envelope with a message of the room."""
        payload = {"type": "cb.text", "room_id": matrix_room(uid), "content": {"b": text}}
        body = self._session.encrypt(json.dumps(payload).encode()).to_bytes()
        encoded = base64.urlsafe_b64encode(body).rstrip(b"=").decode()
        return str(Envelope(self.device.device_id, self.session_id, encoded))


def wire_id(session_id: str) -> str:
    """A session id as frames have it: base64url, where vodozemac has standard base64."""
    return session_id.replace("+", "-").replace("/", "_")


def _public(key: Ed25519PrivateKey) -> str:
    return base64.b64encode(key.public_key().public_bytes_raw()).rstrip(b"=").decode()


def _sign(key: Ed25519PrivateKey, data: bytes) -> str:
    return base64.b64encode(key.sign(data)).rstrip(b"=").decode()


def _with(item: T, signatures: dict[str, dict[str, str]]) -> T:
    return msgspec.structs.replace(item, signatures=signatures)
