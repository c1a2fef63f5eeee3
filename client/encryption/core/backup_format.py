"""How the key backup is encrypted: one header with the recovery key, and items with a key that is in the header. Pure.

AES-256-GCM under keys by HKDF-SHA256. What belongs where is authenticated: the header with its user and version, an
item with its id. So whatever the server stores by itself does not decrypt, and nothing can be exchanged.
"""

import hmac
from typing import NamedTuple

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256, Hash
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from chatterbox.wire.encryption.envelope import from_base64url, to_base64url
from chatterbox.wire.encryption.key_api import BackupItem
from chatterbox.wire.position import Whole

ITEM_KEY_BYTES = 32
NONCE_BYTES = 12
SALT_BYTES = 16
ITEM_RANDOM_BYTES = SALT_BYTES + NONCE_BYTES
_TAG_BYTES = 4
_HEADER = "b1."
_HEADER_INFO = b"chatterbox key backup header"
_ITEM_INFO = b"chatterbox key backup item"
_ID_INFO = b"chatterbox key backup item id"


class KeyBackupError(ValueError):
    """A header or item can't be decrypted: another recovery key, or it was damaged, exchanged or planted."""


class BackupSecrets(msgspec.Struct, frozen=True, kw_only=True):
    """What the header holds: everything that a new device needs."""

    master: bytes
    """The seed of the master key."""
    self_signing: bytes
    item_keys: tuple[bytes, ...]
    """The one in use first; the others open items from before a device was stolen."""
    generation: Whole
    """Of the device list when the header was written: a server that gives back an older header shows."""
    list_version: Whole


class ItemContent(NamedTuple):
    """What is in an item."""

    kind: str
    name: str
    value: bytes


def derived(key: bytes, salt: bytes | None, info: bytes, length: int = 32) -> bytes:
    """HKDF-SHA256 (RFC 5869)."""
    return HKDF(algorithm=SHA256(), length=length, salt=salt, info=info).derive(key)


def encrypt_header(recovery_key: bytes, user_id: int, version: int, header: BackupSecrets, nonce: bytes) -> str:
    """The header as the server stores it; `nonce`: `NONCE_BYTES` fresh random bytes."""
    cipher = AESGCM(derived(recovery_key, None, _HEADER_INFO))
    encrypted = cipher.encrypt(nonce, msgspec.msgpack.encode(header), _header_place(user_id, version))
    return _HEADER + to_base64url(nonce + encrypted)


def decrypt_header(recovery_key: bytes, user_id: int, version: int, text: str) -> BackupSecrets:
    """The inverse of `encrypt_header`; raises `KeyBackupError`. Any text is an input."""
    if not text.startswith(_HEADER):
        raise KeyBackupError("the header has a format that this version does not know")
    cipher = AESGCM(derived(recovery_key, None, _HEADER_INFO))
    try:
        stored = from_base64url(text.removeprefix(_HEADER))
        plain = cipher.decrypt(stored[:NONCE_BYTES], stored[NONCE_BYTES:], _header_place(user_id, version))
        return msgspec.msgpack.decode(plain, type=BackupSecrets)
    except (InvalidTag, ValueError, msgspec.MsgspecError):
        raise KeyBackupError("the header does not decrypt") from None


def item_id(item_key: bytes, kind: str, name: str) -> str:
    """The id of an item, which tells the server nothing."""
    id_key = derived(item_key, None, _ID_INFO)
    return to_base64url(hmac.digest(id_key, f"{kind}/{name}".encode(), "sha256"))


def encrypt_item(item_key: bytes, content: ItemContent, random: bytes) -> BackupItem:
    """An item as the server stores it; `random`: `ITEM_RANDOM_BYTES` fresh random bytes."""
    name = item_id(item_key, content.kind, content.name)
    salt, nonce = random[:SALT_BYTES], random[SALT_BYTES:]
    cipher = AESGCM(derived(item_key, salt, _ITEM_INFO))
    encrypted = cipher.encrypt(nonce, msgspec.msgpack.encode(content), name.encode())
    return BackupItem(item=name, body=to_base64url(_key_tag(item_key) + salt + nonce + encrypted))


def decrypt_item(item_keys: tuple[bytes, ...], item: BackupItem) -> ItemContent:
    """The inverse of `encrypt_item`, with any of the keys; raises `KeyBackupError`. Any item is an input."""
    try:
        stored = from_base64url(item.body)
        tag, salt, nonce, encrypted = _split(stored)
        key = next(key for key in item_keys if _key_tag(key) == tag)
        plain = AESGCM(derived(key, salt, _ITEM_INFO)).decrypt(nonce, encrypted, item.item.encode())
        content = msgspec.msgpack.decode(plain, type=ItemContent)
    except (InvalidTag, ValueError, StopIteration, msgspec.MsgspecError):
        raise KeyBackupError("an item does not decrypt") from None
    if item_id(key, content.kind, content.name) != item.item:
        raise KeyBackupError("an item has the id of another one")
    return content


def _split(stored: bytes) -> tuple[bytes, bytes, bytes, bytes]:
    salt_at, nonce_at = _TAG_BYTES, _TAG_BYTES + SALT_BYTES
    encrypted_at = nonce_at + NONCE_BYTES
    return stored[:salt_at], stored[salt_at:nonce_at], stored[nonce_at:encrypted_at], stored[encrypted_at:]


def _key_tag(item_key: bytes) -> bytes:
    """Which of the keys an item is encrypted with."""
    digest = Hash(SHA256())
    digest.update(b"chatterbox item key " + item_key)
    return digest.finalize()[:_TAG_BYTES]


def _header_place(user_id: int, version: int) -> bytes:
    return f"chatterbox key backup {user_id} {version}".encode()
