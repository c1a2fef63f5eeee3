"""Which direct conversations are encrypted, on disk beside the key store, so that no server can take it back."""

from pathlib import Path

import msgspec

from chatterbox.wire.untrusted_json import UnreadableError, decode_json
from client.core.direct_rooms import NONE_ENCRYPTED, EncryptedDirects
from client.failures import Failure
from client.store.file_names import user_file
from client.store.private_files import on_disk, replace_file


def encrypted_directs_path(home: Path, server: str, username: str) -> Path:
    return user_file(home / "keys", server, username, ".directs.json")


class EncryptedDirectsFile:
    """The file of one server and user. Several clients may write it: what one of them knows is never lost."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> EncryptedDirects:
        """What is known; nothing if there is no file. Raises `Failure` if there is one that can't be read."""
        try:
            data = self._path.read_bytes()
        except FileNotFoundError:
            return NONE_ENCRYPTED
        except OSError as problem:
            raise Failure(self._broken(problem.strerror or str(problem))) from problem
        try:
            return decode_json(data, EncryptedDirects)
        except UnreadableError as problem:
            raise Failure(self._broken("it is damaged")) from problem

    def _broken(self, why: str) -> str:
        return (
            f"Can't read {self._path} ({why}). It says which conversations are encrypted. "
            "Restore it from a backup, or delete it to start over."
        )

    def save(self, encrypted: EncryptedDirects) -> None:
        """Add what is known now. It is on disk when this returns; raises `Failure`."""
        stored = self.load()
        merged = EncryptedDirects(stored.always or encrypted.always, stored.peers | encrypted.peers)
        if merged != stored:
            with on_disk(self._path):
                replace_file(self._path, msgspec.json.encode(merged))
