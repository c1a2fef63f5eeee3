import stat
import sys
import types
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from client.encryption.store.key_store import Table
from client.encryption.store.store_key import (
    Protection,
    delete_key_store,
    open_key_store,
    protection,
    set_passphrase,
    store_key,
)
from client.failures import Failure
from client.store.key_store_files import key_store_path

SERVER, USER = "https://chat.example", "Ada"


class Keyring(types.ModuleType):
    """The package `keyring` with a backend in memory; without one (`backend=None`) it raises, as on a bare server."""

    def __init__(self, backend: dict[tuple[str, str], str] | None) -> None:
        super().__init__("keyring")
        self.__spec__ = ModuleSpec("keyring", None)
        self.backend = backend

    def get_password(self, service: str, username: str) -> str | None:
        if self.backend is None:
            raise RuntimeError("No recommended backend was available.")
        return self.backend.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        if self.backend is None:
            raise RuntimeError("No recommended backend was available.")
        self.backend[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        assert self.backend is not None
        del self.backend[service, username]


@pytest.fixture
def keyring(monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[tuple[str, str], str] | None], None]:
    return lambda backend: monkeypatch.setitem(sys.modules, "keyring", Keyring(backend))


def files(home: Path) -> list[Path]:
    return [path for path in home.rglob("*") if path.is_file()]


class TestFile:
    def test_a_key_is_made_once_and_read_by_its_owner_only(self, tmp_path: Path) -> None:
        key = store_key(tmp_path, SERVER, USER)
        assert store_key(tmp_path, SERVER, "ada") == key
        assert len(key) == 32
        assert protection(tmp_path, SERVER, USER) is Protection.FILE
        [path] = files(tmp_path)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600

    def test_clients_that_start_at_once_get_one_key(self, tmp_path: Path) -> None:
        with ThreadPoolExecutor(8) as pool:
            keys = set(pool.map(lambda _: store_key(tmp_path, SERVER, USER), range(32)))
        assert len(keys) == 1

    def test_users_and_servers_have_keys_of_their_own(self, tmp_path: Path) -> None:
        keys = {store_key(tmp_path, server, user) for server in (SERVER, "http://b.example") for user in "ab"}
        assert len(keys) == 4

    def test_a_missing_key_is_not_replaced_by_another_one(self, tmp_path: Path) -> None:
        open_key_store(tmp_path, SERVER, USER).close()
        key_store_path(tmp_path, SERVER, USER).with_suffix(".key").unlink()
        with pytest.raises(Failure, match=r"is missing\. Restore it"):
            open_key_store(tmp_path, SERVER, USER)

    def test_a_damaged_key_says_so(self, tmp_path: Path) -> None:
        store_key(tmp_path, SERVER, USER)
        files(tmp_path)[0].write_text("{")
        with pytest.raises(Failure, match="is damaged"):
            store_key(tmp_path, SERVER, USER)


class TestPassphrase:
    def test_the_same_key_opens_with_the_passphrase_only(self, tmp_path: Path) -> None:
        key = store_key(tmp_path, SERVER, USER)
        set_passphrase(tmp_path, SERVER, USER, key, "correct horse")
        assert protection(tmp_path, SERVER, USER) is Protection.PASSPHRASE
        assert store_key(tmp_path, SERVER, USER, lambda: "correct horse") == key
        with pytest.raises(Failure, match="Wrong passphrase"):
            store_key(tmp_path, SERVER, USER, lambda: "battery staple")
        with pytest.raises(Failure, match="needs its passphrase"):
            store_key(tmp_path, SERVER, USER)
        assert key not in b"".join(path.read_bytes() for path in files(tmp_path))

    def test_an_empty_passphrase_puts_the_key_into_a_file_again(self, tmp_path: Path) -> None:
        key = store_key(tmp_path, SERVER, USER)
        set_passphrase(tmp_path, SERVER, USER, key, "correct horse")
        set_passphrase(tmp_path, SERVER, USER, key, "")
        assert store_key(tmp_path, SERVER, USER) == key


class TestKeyring:
    def test_a_keyring_that_works_has_the_key_alone(
        self, tmp_path: Path, keyring: Callable[[dict[tuple[str, str], str] | None], None]
    ) -> None:
        backend: dict[tuple[str, str], str] = {}
        keyring(backend)
        key = store_key(tmp_path, SERVER, USER)
        assert protection(tmp_path, SERVER, USER) is Protection.KEYRING
        assert store_key(tmp_path, SERVER, USER) == key
        [secret] = backend.values()
        assert secret.encode() not in files(tmp_path)[0].read_bytes()
        backend.clear()
        with pytest.raises(Failure, match="Unlock the keyring"):
            store_key(tmp_path, SERVER, USER)

    def test_a_keyring_without_backend_is_not_used(
        self, tmp_path: Path, keyring: Callable[[dict[tuple[str, str], str] | None], None]
    ) -> None:
        keyring(None)
        store_key(tmp_path, SERVER, USER)
        assert protection(tmp_path, SERVER, USER) is Protection.FILE


def test_deleting_leaves_no_file_and_a_new_store_is_empty(tmp_path: Path) -> None:
    store = open_key_store(tmp_path, SERVER, USER)
    with store.transaction() as transaction:
        transaction.put(Table.META, "name", b"value")
    store.close()
    delete_key_store(tmp_path, SERVER, USER)
    assert files(tmp_path) == []
    delete_key_store(tmp_path, SERVER, USER)
    store = open_key_store(tmp_path, SERVER, USER)
    with store.transaction() as transaction:
        assert transaction.get(Table.META, "name") is None
    store.close()
