"""Short authentication strings as Matrix has them (`m.sas.v1`): key agreement, numbers, emoji names, MACs. Pure.

X25519, HKDF-SHA256 and HMAC-SHA256 by the cryptography library, and not vodozemac's `Sas`, whose private key can't be
stored: a verification goes on after a restart. Tests compare the two.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence
from typing import Any

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from chatterbox.wire.encryption.device_keys import signed_part
from client.encryption.core.verification.verification_state import Party

PRIVATE_KEY_BYTES = 32
_NAMES = (
    "Dog, Cat, Lion, Horse, Unicorn, Pig, Elephant, Rabbit, Panda, Rooster, Penguin, Turtle, Fish, Octopus, "
    "Butterfly, Flower, Tree, Cactus, Mushroom, Globe, Moon, Cloud, Fire, Banana, Apple, Strawberry, Corn, "
    "Pizza, Cake, Heart, Smiley, Robot, Hat, Glasses, Spanner, Santa, Thumbs Up, Umbrella, Hourglass, Clock, "
    "Gift, Light Bulb, Book, Pencil, Paperclip, Scissors, Lock, Key, Hammer, Telephone, Flag, Train, Bicycle, "
    "Aeroplane, Rocket, Trophy, Ball, Guitar, Trumpet, Bell, Anchor, Headphones, Folder, Pin"
)
EMOJI_NAMES: Sequence[str] = _NAMES.split(", ")
"""By number, as the Matrix specification names them."""
_SAS_BYTES = 6
_MAC_BYTES = 32


def public_key(private_key: bytes) -> str:
    """The public key of a private one, in unpadded base64."""
    return _base64(X25519PrivateKey.from_private_bytes(private_key).public_key().public_bytes_raw())


def commitment(key: str, start: dict[str, Any]) -> str:
    """What a device commits itself to before it knows the other's key: the hash of its key and of the start."""
    return _base64(hashlib.sha256(key.encode("ascii") + signed_part(start)).digest())


class SharedSecret:
    """What two devices have in common after they exchanged keys."""

    def __init__(self, private_key: bytes, their_key: str) -> None:
        """Raises `ValueError` if the other's key is malformed, or one that makes the secret predictable."""
        try:
            raw = base64.b64decode(their_key + "=" * (-len(their_key) % 4), validate=True)
        except binascii.Error as problem:
            raise ValueError("not base64") from problem
        self._secret = X25519PrivateKey.from_private_bytes(private_key).exchange(X25519PublicKey.from_public_bytes(raw))

    def sas_bytes(
        self, starter: Party, starter_key: str, accepter: Party, accepter_key: str, transaction: str
    ) -> bytes:
        """The bytes of which numbers and emoji are made."""
        sides = (starter.user, starter.device, starter_key, accepter.user, accepter.device, accepter_key)
        return self._derived("|".join(("MATRIX_KEY_VERIFICATION_SAS", *sides, transaction)), _SAS_BYTES)

    def mac(self, text: str, info: str) -> str:
        """The MAC of `text`, in unpadded base64 (`hkdf-hmac-sha256.v2`)."""
        return _base64(hmac.digest(self._derived(info, _MAC_BYTES), text.encode(), "sha256"))

    def _derived(self, info: str, length: int) -> bytes:
        return HKDF(SHA256(), length, salt=None, info=info.encode()).derive(self._secret)


def mac_info(by: Party, to: Party, transaction: str) -> str:
    """What binds a MAC to its two devices and its verification."""
    return f"MATRIX_KEY_VERIFICATION_MAC{by.user}{by.device}{to.user}{to.device}{transaction}"


def numbers(sas: bytes) -> tuple[int, int, int]:
    """Three numbers of four digits.

    >>> numbers(bytes(6)), numbers(bytes([255] * 6))
    ((1000, 1000, 1000), (9191, 9191, 9191))
    """
    bits = int.from_bytes(sas[:5], "big") >> 1
    return (bits >> 26) + 1000, (bits >> 13 & 0x1FFF) + 1000, (bits & 0x1FFF) + 1000


def emoji(sas: bytes) -> tuple[str, ...]:
    """The names of seven emoji.

    >>> emoji(bytes(6))[0], emoji(bytes([255] * 6))[6]
    ('Dog', 'Pin')
    """
    bits = int.from_bytes(sas[:6], "big") >> 6
    return tuple(EMOJI_NAMES[bits >> shift & 0x3F] for shift in range(36, -1, -6))


def _base64(data: bytes) -> str:
    return base64.b64encode(data).rstrip(b"=").decode("ascii")
