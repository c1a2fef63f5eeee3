"""Files of encrypted messages: encrypted before they are uploaded, checked and decrypted after they are downloaded.

Matrix's attachment encryption, version 2: AES-256 in counter mode under a key of its own for each file, and the SHA-256
of the encrypted bytes, both in the encrypted message. The server gets bytes of the type `application/octet-stream`
under the name `UPLOAD_NAME`, and makes no previews. Memory use is constant, and an upload may be continued anywhere.
"""

import hashlib
import os
from collections.abc import Iterable, Iterator
from typing import BinaryIO

import msgspec
from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR

from chatterbox.wire.encryption.envelope import from_base64url, to_base64url
from chatterbox.wire.frames import AttachedFile
from client.encryption.core.messages.message_payload import EncryptedFile, FileKey, FileSecret
from client.encryption.sessions.base64_text import from_base64, to_base64
from client.failures import Failure

UPLOAD_NAME = "encrypted"
UPLOAD_TYPE = "application/octet-stream"
BLOCK_BYTES = 64 * 1024
_KEY_BYTES, _IV_BYTES, _CIPHER_BLOCK = 32, 16, 16
_COUNTER_BITS = 128


class DamagedFile(Failure):
    """A downloaded file is not the one that was sent, or its description can't be used."""


def new_secret() -> FileSecret:
    """A key for one file. Never encrypt other bytes with it: both together would tell about the files."""
    iv = os.urandom(_IV_BYTES // 2) + bytes(_IV_BYTES // 2)
    return FileSecret(key=FileKey(k=to_base64url(os.urandom(_KEY_BYTES))), iv=to_base64(iv), hashes={})


def as_text(secret: FileSecret) -> str:
    """A secret as text, to be kept encrypted while its file is uploaded."""
    return msgspec.json.encode(secret).decode()


def parsed(text: str) -> FileSecret | None:
    """The secret of a text; None if it is none."""
    try:
        return msgspec.json.decode(text, type=FileSecret)
    except msgspec.MsgspecError:
        return None


def encrypted(secret: FileSecret, blocks: Iterable[bytes], offset: int = 0) -> Iterator[bytes]:
    """Encrypt the bytes of a file from `offset` on; the same bytes again for the same offset."""
    cipher = _at(secret, offset)
    for block in blocks:
        yield cipher.update(block)


def with_hash(secret: FileSecret, blocks: Iterable[bytes]) -> FileSecret:
    """The secret with the hash of the whole file, whose bytes are given in clear."""
    digest = hashlib.sha256()
    for block in encrypted(secret, blocks):
        digest.update(block)
    return msgspec.structs.replace(secret, hashes={"sha256": to_base64(digest.digest())})


def described(uploaded: AttachedFile, secret: FileSecret, name: str, media_type: str) -> EncryptedFile:
    """How an encrypted message describes an uploaded file: `name` and `media_type` as they are in clear."""
    return EncryptedFile(id=uploaded.id, name=name, type=media_type, size=uploaded.size, secret=secret)


def decrypt(secret: FileSecret, source: BinaryIO, target: BinaryIO) -> None:
    """Write the file in clear to `target`, once the encrypted bytes in `source` have proven whole.

    Raises `DamagedFile`; then nothing was written.
    """
    digest = hashlib.sha256()
    for block in _blocks(source):
        digest.update(block)
    if secret.v != "v2" or secret.hashes.get("sha256") != to_base64(digest.digest()):
        raise DamagedFile("The file is damaged: it is not the one that was sent. Ask for it again.")
    cipher = _at(secret, 0)
    for block in _blocks(source):
        target.write(cipher.update(block))


def _blocks(source: BinaryIO) -> Iterator[bytes]:
    source.seek(0)
    while block := source.read(BLOCK_BYTES):
        yield block


def _at(secret: FileSecret, offset: int) -> CipherContext:
    """The cipher at byte `offset`: it is the counter that says where."""
    try:
        key, iv = from_base64url(secret.key.k), from_base64(secret.iv)
    except ValueError:
        key = iv = b""
    if len(key) != _KEY_BYTES or len(iv) != _IV_BYTES or (secret.key.kty, secret.key.alg) != ("oct", "A256CTR"):
        raise DamagedFile("The file's key can't be used. Ask for the file again.")
    block, rest = divmod(offset, _CIPHER_BLOCK)
    counter = (int.from_bytes(iv, "big") + block) % (1 << _COUNTER_BITS)
    cipher = Cipher(AES(key), CTR(counter.to_bytes(_IV_BYTES, "big"))).encryptor()
    cipher.update(bytes(rest))
    return cipher
