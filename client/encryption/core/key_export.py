"""Files with exported Megolm sessions, as Matrix clients write and read them. Pure: salts are given, not made.

Between the two lines of text stands base64 of: version 1, salt (16 bytes), counter (16), rounds (4), JSON encrypted
with AES-256-CTR, and HMAC-SHA256 over all of it. Both keys are made of the passphrase by PBKDF2-HMAC-SHA512.
"""

import base64
import hashlib
import hmac

import msgspec
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.ciphers.modes import CTR

from chatterbox.wire.encryption.device_keys import MEGOLM
from client.encryption.core.backup_items import BackupSession

HEADER = "-----BEGIN MEGOLM SESSION DATA-----"
FOOTER = "-----END MEGOLM SESSION DATA-----"
SALT_BYTES = 16
COUNTER_BYTES = 16
ROUNDS = 500_000
MAX_ROUNDS = 10_000_000
"""A file with more would keep this computer busy for minutes."""
_VERSION = b"\x01"
_ROUNDS_BYTES = 4
_MAC_BYTES = 32
_LINE_CHARS = 76
_FRAME_BYTES = len(_VERSION) + SALT_BYTES + COUNTER_BYTES + _ROUNDS_BYTES


class KeyFileError(ValueError):
    """The file can't be read; the text says why."""


def encrypt(plaintext: bytes, passphrase: str, salt: bytes, counter: bytes, rounds: int = ROUNDS) -> str:
    """The file with this content. `salt` and `counter` are random; bit 63 of the counter is cleared, as Matrix asks."""
    counter = counter[:8] + bytes([counter[8] & 0x7F]) + counter[9:]
    aes_key, mac_key = _keys(passphrase, salt, rounds)
    encrypted = _crypted(aes_key, counter, plaintext)
    body = _VERSION + salt + counter + rounds.to_bytes(_ROUNDS_BYTES, "big") + encrypted
    text = base64.b64encode(body + hmac.digest(mac_key, body, "sha256")).decode("ascii")
    lines = (text[at : at + _LINE_CHARS] for at in range(0, len(text), _LINE_CHARS))
    return "\n".join([HEADER, *lines, FOOTER, ""])


def decrypt(file: str, passphrase: str) -> bytes:
    """The content of a file. Any text is an input; raises `KeyFileError`."""
    _, begin, rest = file.partition(HEADER)
    text, end, _ = rest.partition(FOOTER)
    if not begin or not end:
        raise KeyFileError("This is not a file of exported keys.")
    try:
        raw = base64.b64decode("".join(text.split()), validate=True)
    except ValueError:
        raise KeyFileError("The file is damaged: it is not base64.") from None
    if len(raw) < _FRAME_BYTES + _MAC_BYTES:
        raise KeyFileError("The file is damaged: it is too short.")
    body, mac = raw[:-_MAC_BYTES], raw[-_MAC_BYTES:]
    rounds = int.from_bytes(body[_FRAME_BYTES - _ROUNDS_BYTES : _FRAME_BYTES], "big")
    if body[:1] != _VERSION:
        raise KeyFileError("The file is of a newer version.")
    if not 0 < rounds <= MAX_ROUNDS:
        raise KeyFileError("The file is damaged: its number of rounds is not valid.")
    salt, counter = body[1 : 1 + SALT_BYTES], body[1 + SALT_BYTES : 1 + SALT_BYTES + COUNTER_BYTES]
    aes_key, mac_key = _keys(passphrase, salt, rounds)
    if not hmac.compare_digest(mac, hmac.digest(mac_key, body, "sha256")):
        raise KeyFileError("Wrong passphrase, or the file is damaged.")
    return _crypted(aes_key, counter, body[_FRAME_BYTES:])


def sessions_json(sessions: list[BackupSession]) -> bytes:
    """The content of a file with these sessions, each with all fields that Matrix asks for."""
    required = {"algorithm": MEGOLM, "forwarding_curve25519_key_chain": []}
    return msgspec.json.encode([required | msgspec.to_builtins(session) for session in sessions])


def parse_sessions(plaintext: bytes) -> tuple[list[BackupSession], int]:
    """The sessions of a file, and how many it has that can't be used here, such as those of other programs.

    Raises `KeyFileError` if it is no list.
    """
    try:
        items = msgspec.json.decode(plaintext, type=list[msgspec.Raw])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise KeyFileError("The file has no list of keys in it.") from None
    sessions = []
    for item in items:
        try:
            sessions.append(msgspec.json.decode(item, type=BackupSession))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            continue
    return sessions, len(items) - len(sessions)


def _keys(passphrase: str, salt: bytes, rounds: int) -> tuple[bytes, bytes]:
    derived = hashlib.pbkdf2_hmac("sha512", passphrase.encode(), salt, rounds, 64)
    return derived[:32], derived[32:]


def _crypted(key: bytes, counter: bytes, data: bytes) -> bytes:
    """AES-CTR, which encrypts and decrypts alike."""
    cipher = Cipher(AES256(key), CTR(counter)).encryptor()
    return cipher.update(data) + cipher.finalize()
