"""Encrypts text that waits on this computer's disk, with the key of the key store."""

import os
from collections.abc import Callable

from client.failures import Failure

_NONCE_BYTES = 12


class UndecryptableError(Failure):
    """A text can't be decrypted: its key is another one, or is not open."""


class TextCipher:
    """Encrypts single texts with AES-256-GCM. `key` is called once, when the first text is encrypted or decrypted."""

    def __init__(self, key: Callable[[], bytes]) -> None:
        self._key = key
        self._known: bytes | None = None

    def encrypt(self, text: str, place: str) -> bytes:
        """Encrypt a text for one place, for example a column of a row: elsewhere it can't be decrypted."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # late: most commands have no such text

        nonce = os.urandom(_NONCE_BYTES)
        return nonce + AESGCM(self._opened()).encrypt(nonce, text.encode(), place.encode())

    def decrypt(self, data: bytes, place: str) -> str:
        """The text; raises `UndecryptableError` if the key is another one, or the data was changed."""
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        try:
            cipher = AESGCM(self._opened())
            return cipher.decrypt(data[:_NONCE_BYTES], data[_NONCE_BYTES:], place.encode()).decode()
        except (InvalidTag, ValueError):
            raise UndecryptableError("This text was encrypted with the key of another key store.") from None

    def _opened(self) -> bytes:
        if self._known is None:
            self._known = self._key()
        return self._known
