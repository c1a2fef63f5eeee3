"""State file of the screen, one per server and user. It is replaced atomically.

Once the server carries encrypted messages, the whole file is encrypted with the key of the key store: the input history
of any room may have what was written to an encrypted conversation, with `/msg`.
"""

from contextlib import suppress
from pathlib import Path
from threading import Lock

from client.failures import Failure
from client.store.file_names import user_file
from client.store.private_files import replace_file
from client.store.text_cipher import TextCipher

ENCRYPTED = b"chatterbox encrypted screen 1\n"
"""How an encrypted file begins."""
_PLACE = "screen"


class StateFile:
    """Reads and writes the file. Disk errors are ignored: the state is then not kept.

    `cipher`: encrypts the file; without it, it is written in clear.
    """

    def __init__(self, home: Path, server: str, username: str, cipher: TextCipher | None = None) -> None:
        self._path = user_file(home / "screen", server, username, ".json")
        self._cipher = cipher
        self._written = b""
        self._is_encrypted = False
        """Whether the file is encrypted, or is to be from now on."""
        self._closed = False
        self._lock = Lock()

    def load(self) -> bytes:
        """Return the content, empty if the file can't be read."""
        with suppress(OSError):
            stored = self._path.read_bytes()
            self._is_encrypted = stored.startswith(ENCRYPTED)
            self._written = self._decrypted(stored)
        return self._written

    def encrypt(self) -> None:
        """Encrypt the file from now on."""
        if not self._is_encrypted and self._cipher is not None:
            with self._lock:
                self._is_encrypted, self._written = True, b""

    def save(self, data: bytes, *, last: bool = False) -> None:
        """Write `data` if it differs from the file. After a call with `last`, nothing is written any more.

        Blocks on the disk, so it may be called in a thread. A thread that is late must not overwrite the last state.
        """
        with self._lock, suppress(OSError, Failure):
            if not self._closed and data != self._written:
                replace_file(self._path, self._stored(data))
                self._written = data
            self._closed = self._closed or last

    def _stored(self, data: bytes) -> bytes:
        if not self._is_encrypted:
            return data
        if self._cipher is None:
            raise Failure("The key of the screen's state is not open.")
        return ENCRYPTED + self._cipher.encrypt(data.decode(), _PLACE)

    def _decrypted(self, stored: bytes) -> bytes:
        if not self._is_encrypted:
            return stored
        with suppress(Failure):  # the keys were replaced: the screen begins without a state
            if self._cipher is not None:
                return self._cipher.decrypt(stored.removeprefix(ENCRYPTED), _PLACE).encode()
        return b""
