"""Which conversations are encrypted is never forgotten, and never read wrongly."""

from pathlib import Path

import pytest

from client.core.direct_rooms import NONE_ENCRYPTED, EncryptedDirects
from client.failures import Failure
from client.store.encrypted_directs import EncryptedDirectsFile


@pytest.fixture
def file(tmp_path: Path) -> EncryptedDirectsFile:
    return EncryptedDirectsFile(tmp_path / "keys" / "alice.directs.json")


def test_nothing_is_encrypted_before_anything_was_stored(file: EncryptedDirectsFile) -> None:
    assert file.load() == NONE_ENCRYPTED


def test_what_two_clients_know_is_kept_together(file: EncryptedDirectsFile) -> None:
    file.save(EncryptedDirects(peers=frozenset({"bob"})))
    file.save(EncryptedDirects(peers=frozenset({"carol"})))
    file.save(EncryptedDirects(always=True))
    file.save(NONE_ENCRYPTED)
    assert file.load() == EncryptedDirects(True, frozenset({"bob", "carol"}))


def test_damaged_file_is_an_error_and_not_an_empty_one(tmp_path: Path) -> None:
    path = tmp_path / "alice.directs.json"
    path.write_bytes(b"{")
    with pytest.raises(Failure, match="which conversations are encrypted"):
        EncryptedDirectsFile(path).load()
