"""Users and devices with real keys that use vodozemac directly: nothing of the client, to be compared with it."""

import base64
import json
import secrets
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec
import vodozemac
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chatterbox.wire.encryption import signatures
from chatterbox.wire.encryption.device_keys import (
    MEGOLM,
    OLM,
    CrossSigningKey,
    DeviceKeys,
    DeviceList,
    SignedKey,
    UserKeys,
    matrix_room,
    matrix_user,
    signed_part,
)
from chatterbox.wire.encryption.envelope import DEVICE_CHARS, Envelope, from_base64url, to_base64url

_ID_CHARS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_ROOM_KEY = "m.room_key"
TEXT = "cb.text"
Signed = TypeVar("Signed", DeviceKeys, SignedKey, CrossSigningKey, DeviceList)


def standard_base64(data: bytes) -> str:
    """Unpadded standard base64, as inside Matrix's objects."""
    return base64.b64encode(data).rstrip(b"=").decode()


def random_device_id() -> str:
    return "".join(secrets.choice(_ID_CHARS) for _ in range(DEVICE_CHARS))


class ModelDevice:
    """A device: an Olm account, Olm sessions by their peers' curve keys, and the Megolm sessions that it holds."""

    def __init__(self, user_id: int, device_id: str = "") -> None:
        self.user = matrix_user(user_id)
        self.device_id = device_id or random_device_id()
        self.account = vodozemac.Account()
        self.olm: dict[str, vodozemac.Session] = {}
        self.room_sessions: dict[str, vodozemac.InboundGroupSession] = {}
        """By the session's id in standard base64."""

    @property
    def curve(self) -> str:
        return self.account.curve25519_key.to_base64()

    @property
    def signing(self) -> str:
        return self.account.ed25519_key.to_base64()

    def keys(self) -> DeviceKeys:
        """Its identity keys, signed by itself."""
        keys = {f"curve25519:{self.device_id}": self.curve, f"ed25519:{self.device_id}": self.signing}
        return self._signed(
            DeviceKeys(user_id=self.user, device_id=self.device_id, algorithms=(OLM, MEGOLM), keys=keys, signatures={})
        )

    def one_time_keys(self, count: int) -> dict[str, SignedKey]:
        self.account.generate_one_time_keys(count)
        keys = {
            f"signed_curve25519:{key_id}": self._signed_key(key) for key_id, key in self.account.one_time_keys.items()
        }
        self.account.mark_keys_as_published()
        return keys

    def fallback_key(self) -> dict[str, SignedKey]:
        self.account.generate_fallback_key()  # type: ignore[attr-defined]  # the stubs lack it
        keys = {
            f"signed_curve25519:{key_id}": self._signed_key(key, fallback=True)
            for key_id, key in self.account.fallback_key.items()  # type: ignore[attr-defined]
        }
        self.account.mark_keys_as_published()
        return keys

    def _signed_key(self, key: vodozemac.Curve25519PublicKey, *, fallback: bool = False) -> SignedKey:
        unsigned = SignedKey(key=key.to_base64(), signatures={}, fallback=fallback)
        return self._signed(unsigned)

    def _signed(self, item: Signed) -> Signed:
        signature = self.account.sign(signed_part(item)).to_base64()
        return msgspec.structs.replace(item, signatures={self.user: {f"ed25519:{self.device_id}": signature}})

    # Olm

    def begin_olm(self, peer_curve: str, one_time_key: str) -> None:
        """Begin an Olm session with a key that was claimed."""
        peer, key = map(vodozemac.Curve25519PublicKey.from_base64, (peer_curve, one_time_key))
        self.olm[peer_curve] = self.account.create_outbound_session(peer, key)

    def olm_encrypt(self, peer: DeviceKeys, kind: str, content: Mapping[str, Any], **others: Any) -> tuple[int, str]:
        """Encrypt an event for a device; returns the type (0 begins a session) and the body in base64."""
        peer_curve, peer_signing = (peer.keys[f"{name}:{peer.device_id}"] for name in ("curve25519", "ed25519"))
        payload = {
            "type": kind,
            "content": content,
            "sender": self.user,
            "recipient": peer.user_id,
            "recipient_keys": {"ed25519": peer_signing},
            "keys": {"ed25519": self.signing},
            **others,
        }
        message_type, body = self.olm[peer_curve].encrypt(_json(payload)).to_parts()
        return message_type, standard_base64(body)

    def olm_decrypt(self, sender_curve: str, message_type: int, body: str) -> dict[str, Any]:
        """Decrypt an Olm message; raises what vodozemac raises."""
        message = vodozemac.AnyOlmMessage.from_parts(message_type, base64.b64decode(body + "=" * (-len(body) % 4)))
        session = self.olm.get(sender_curve)
        first = message.to_pre_key() if message_type == 0 else None
        if first is not None and (session is None or not session.session_matches(first)):
            peer = vodozemac.Curve25519PublicKey.from_base64(sender_curve)
            self.olm[sender_curve], plaintext = self.account.create_inbound_session(peer, first)
        else:
            assert session is not None, "a message of an Olm session that this device does not have"
            plaintext = session.decrypt(message)
        payload: dict[str, Any] = json.loads(plaintext)
        return payload

    # Megolm

    def accept_room_key(self, payload: Mapping[str, Any]) -> str:
        """Take the keys of a session from a decrypted `m.room_key`; returns the session's id."""
        assert payload["type"] == _ROOM_KEY
        key = vodozemac.SessionKey(payload["content"]["session_key"])
        session = vodozemac.InboundGroupSession(key)
        assert session.session_id == payload["content"]["session_id"]
        self.room_sessions[session.session_id] = session
        return session.session_id

    def decrypt(self, session_id: str, ciphertext: str) -> dict[str, Any]:
        """The event in a Megolm message; both in standard base64."""
        message = vodozemac.MegolmMessage.from_base64(ciphertext)
        event: dict[str, Any] = json.loads(self.room_sessions[session_id].decrypt(message).plaintext)
        return event

    def open(self, envelope: Envelope) -> dict[str, Any]:
        """The event in an envelope."""
        session, body = (standard_base64(from_base64url(text)) for text in (envelope.session, envelope.body))
        return self.decrypt(session, body)


class OutboundSession:
    """A Megolm session with which a device encrypts for a room."""

    def __init__(self, device: ModelDevice, uid: str) -> None:
        self._device = device
        self._session = vodozemac.GroupSession()
        self._uid = uid
        self.key = self._session.session_key.to_base64()
        """Its keys from its first message on."""
        device.room_sessions[self.session_id] = vodozemac.InboundGroupSession(vodozemac.SessionKey(self.key))
        self.sent = 0

    @property
    def session_id(self) -> str:
        return self._session.session_id

    @property
    def wire_id(self) -> str:
        """Its id as envelopes have it."""
        return _wire(self.session_id)

    def room_key(self) -> dict[str, str]:
        """The content of the `m.room_key` that gives it to another device."""
        return {
            "algorithm": MEGOLM,
            "room_id": matrix_room(self._uid),
            "session_id": self.session_id,
            "session_key": self.key,
        }

    def ciphertext(self, content: Mapping[str, Any], kind: str = TEXT) -> str:
        """Encrypt an event; returns the Megolm message in standard base64."""
        event = {"type": kind, "room_id": matrix_room(self._uid), "content": content}
        return self._session.encrypt(_json(event)).to_base64()

    def envelope(self, text: str, **others: Any) -> str:
        """Encrypt a text as a message of the room."""
        self.sent += 1
        content = {"b": text, "n": self.sent, "l": 1, "w": None, "p": "", **others}
        return str(Envelope(self._device.device_id, self.wire_id, _wire(self.ciphertext(content))))


class ModelUser:
    """A user's master key and self-signing key, and the devices that they sign."""

    def __init__(self, user_id: int, username: str) -> None:
        self.user_id = user_id
        self.username = username
        self.name = matrix_user(user_id)
        self.devices: dict[str, ModelDevice] = {}
        self.removed: list[str] = []
        self.dehydrated = ""
        self.generation = 1
        self.version = 0
        self.reset()

    def reset(self) -> None:
        """Make a new master key, as a user who lost everything."""
        self._master = Ed25519PrivateKey.generate()
        self.replace_self_signing()

    def replace_self_signing(self) -> None:
        self._self_signing = Ed25519PrivateKey.generate()

    def add_device(self, device_id: str = "") -> ModelDevice:
        device = ModelDevice(self.user_id, device_id)
        self.devices[device.device_id] = device
        return device

    def remove_device(self, device_id: str) -> None:
        del self.devices[device_id]
        self.removed.append(device_id)

    def master(self) -> CrossSigningKey:
        return self._cross_signing("master", self._master)

    def self_signing(self) -> CrossSigningKey:
        return self._signed_by(self._master, self._cross_signing("self_signing", self._self_signing))

    def signed_device(self, device: ModelDevice) -> DeviceKeys:
        """The keys of a device with the signature of the self-signing key besides its own."""
        return self._signed_by(self._self_signing, device.keys())

    def list(self, version: int | None = None) -> DeviceList:
        return self._signed_by(
            self._self_signing,
            DeviceList(
                user_id=self.name,
                username=self.username,
                generation=self.generation,
                version=self.version if version is None else version,
                devices={each.device_id: signatures.device_hash(each.keys()) for each in self.devices.values()},
                removed=tuple(self.removed),
                dehydrated=self.dehydrated,
                signatures={},
            ),
        )

    def keys(self) -> UserKeys:
        """All of it, as a server gives it to others."""
        return UserKeys(
            username=self.username,
            user_id=self.user_id,
            master=self.master(),
            self_signing=self.self_signing(),
            list=self.list(),
            device_keys={each.device_id: self.signed_device(each) for each in self.devices.values()},
        )

    def _cross_signing(self, usage: str, key: Ed25519PrivateKey) -> CrossSigningKey:
        public = public_key(key)
        return CrossSigningKey(user_id=self.name, usage=(usage,), keys={f"ed25519:{public}": public})

    def _signed_by(self, key: Ed25519PrivateKey, item: Signed) -> Signed:
        signature = standard_base64(key.sign(signed_part(item)))
        own = {**item.signatures.get(self.name, {}), f"ed25519:{public_key(key)}": signature}
        return msgspec.structs.replace(item, signatures={**item.signatures, self.name: own})


def public_key(key: Ed25519PrivateKey) -> str:
    return standard_base64(key.public_key().public_bytes_raw())


def _json(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _wire(standard: str) -> str:
    return to_base64url(base64.b64decode(standard + "=" * (-len(standard) % 4)))
