"""The key that encrypts the key store, and where it is kept: keyring of the system, passphrase, or a file.

A file beside the store protects nothing against a program that reads this user's files; it keeps the key store
encrypted only against copies of the store alone. `protection` tells which one it is.
"""

import base64
import fcntl
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from enum import StrEnum
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol, assert_never, cast

import msgspec
from cryptography.exceptions import InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from chatterbox.wire.untrusted_json import UnreadableError, decode_json
from client.encryption.store.key_store import KEY_BYTES, KeyStore
from client.failures import Failure
from client.store.key_store_files import key_store_path, store_key_path
from client.store.private_files import on_disk, private_folder, replace_file

_SALT_BYTES = 16
_NONCE_BYTES = 12
_ARGON2_MEMORY_KIB = 64 * 1024
_ARGON2_ITERATIONS = 3
_ARGON2_LANES = 4
_SCRYPT_N = 2**16
_SIDE_FILES = ("-wal", "-shm", "-journal")
STORE_LOCKED = (
    "The key store needs its passphrase. Type it in a terminal, or name a file that has it: CHATTERBOX_PASSPHRASE_FILE"
)
_unlocked: dict[Path, bytes] = {}
"""Keys that this process opened with their passphrases, by the files that they are in."""


class Protection(StrEnum):
    """Where the key of the key store is."""

    KEYRING = "keyring"
    """In the keyring of the system."""
    PASSPHRASE = "passphrase"  # noqa: S105 - a kind, not a secret
    """In a file, encrypted with a passphrase, which is asked for at each start."""
    FILE = "file"
    """In a file that only this user can read."""


class KeyDerivation(StrEnum):
    """How a key is made of a passphrase."""

    ARGON2ID = "argon2id"
    SCRYPT = "scrypt"
    """Where the OpenSSL library has no Argon2."""


class SystemKeyring(Protocol):
    """The part of the package `keyring` that is used; it raises what its backends raise."""

    def get_password(self, service: str, username: str) -> str | None: ...
    def set_password(self, service: str, username: str, password: str) -> None: ...
    def delete_password(self, service: str, username: str) -> None: ...


class StoreKeyFile(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The file beside the store."""

    protection: Protection
    key: bytes = b""
    """The key itself, or encrypted with a passphrase; empty: the keyring has it."""
    nonce: bytes = b""
    salt: bytes = b""
    derivation: KeyDerivation | None = None


def open_key_store(home: Path, server: str, username: str, ask_passphrase: Callable[[], str] | None = None) -> KeyStore:
    """Open the key store, or create it; raises `Failure`."""
    key = store_key(home, server, username, ask_passphrase)
    return KeyStore(key_store_path(home, server, username), key)


def store_key(home: Path, server: str, username: str, ask_passphrase: Callable[[], str] | None = None) -> bytes:
    """The key of the key store, made at the first call; raises `Failure`.

    `ask_passphrase` is called if one is needed; None: there is no terminal to ask on.
    """
    path = _key_path(home, server, username)
    file = _read(path)
    if file is None:
        if key_store_path(home, server, username).exists():
            raise Failure(
                f"The key {path} of the key store is missing. Restore it, or log in as a new device: "
                "`chatterbox logout`, then `chatterbox login`."
            )
        file = _created(path, server, username)
    match file.protection:
        case Protection.FILE:
            return _checked(file.key, path)
        case Protection.KEYRING:
            return _from_keyring(server, username, path)
        case Protection.PASSPHRASE:
            return _unlocked.get(path) or _unwrapped(file, path, ask_passphrase)
        case _:
            assert_never(file.protection)


def unlock(home: Path, server: str, username: str, passphrase: str) -> None:
    """Open the key with its passphrase for as long as this process runs; raises `Failure` for a wrong one."""
    path = _key_path(home, server, username)
    file = _read(path)
    if file is not None and file.protection is Protection.PASSPHRASE:
        _unlocked[path] = _unwrapped(file, path, lambda: passphrase)


def protection(home: Path, server: str, username: str) -> Protection | None:
    """Where the key is kept; None: there is none yet."""
    file = _read(_key_path(home, server, username))
    return file.protection if file else None


def set_passphrase(home: Path, server: str, username: str, key: bytes, passphrase: str) -> None:
    """Keep `key`, which `store_key` returned, under a passphrase from now on; an empty one: in a file."""
    path = _key_path(home, server, username)
    if not passphrase:
        _write(path, StoreKeyFile(protection=Protection.FILE, key=key))
    else:
        salt, nonce = os.urandom(_SALT_BYTES), os.urandom(_NONCE_BYTES)
        derivation, wrapping = _new_derived(passphrase, salt)
        wrapped = AESGCM(wrapping).encrypt(nonce, key, _aad(derivation))
        _write(
            path,
            StoreKeyFile(protection=Protection.PASSPHRASE, key=wrapped, nonce=nonce, salt=salt, derivation=derivation),
        )
    _forget_in_keyring(server, username)


def delete_key_store(home: Path, server: str, username: str) -> None:
    """Delete the key store and its key: what only they could decrypt is lost. The key goes first."""
    path = key_store_path(home, server, username)
    key_path = _key_path(home, server, username)
    with on_disk(path):
        _forget_in_keyring(server, username)
        _unlocked.pop(key_path, None)
        if key_path.exists():
            with key_path.open("r+b") as file:  # without the key, what is left of the store on the disk can't be read
                file.write(bytes(key_path.stat().st_size))
                file.flush()
                os.fsync(file.fileno())
            key_path.unlink(missing_ok=True)
        shutil.rmtree(path.with_suffix(".locks"), ignore_errors=True)
        for file_path in (path, *(path.with_name(path.name + suffix) for suffix in _SIDE_FILES)):
            file_path.unlink(missing_ok=True)


def _key_path(home: Path, server: str, username: str) -> Path:
    return store_key_path(home, server, username)


def _read(path: Path) -> StoreKeyFile | None:
    try:
        return decode_json(path.read_bytes(), StoreKeyFile)
    except FileNotFoundError:
        return None
    except UnreadableError:
        raise Failure(f"The key {path} of the key store is damaged. Restore it from a backup.") from None
    except OSError as problem:
        raise Failure(f"Can't read {path} ({problem.strerror}).") from problem


def _write(path: Path, file: StoreKeyFile) -> None:
    with on_disk(path):
        replace_file(path, msgspec.json.encode(file))


def _created(path: Path, server: str, username: str) -> StoreKeyFile:
    """Make a key. Of two clients that start at once one makes it, and the other one reads it."""
    with on_disk(path), _locked(private_folder(path.parent)):
        stored = _read(path)
        if stored is not None:
            return stored
        key = secrets.token_bytes(KEY_BYTES)
        if _into_keyring(server, username, key):
            file = StoreKeyFile(protection=Protection.KEYRING)
        else:
            file = StoreKeyFile(protection=Protection.FILE, key=key)
        _write(path, file)
        return file


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold a lock that all clients of this user take; it ends with the process at the latest."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _checked(key: bytes, path: Path) -> bytes:
    if len(key) != KEY_BYTES:
        raise Failure(f"The key {path} of the key store is damaged. Restore it from a backup.")
    return key


def _unwrapped(file: StoreKeyFile, path: Path, ask_passphrase: Callable[[], str] | None) -> bytes:
    if ask_passphrase is None or file.derivation is None:
        raise Failure(STORE_LOCKED)
    wrapping = _derived(file.derivation, ask_passphrase(), file.salt)
    try:
        return _checked(AESGCM(wrapping).decrypt(file.nonce, file.key, _aad(file.derivation)), path)
    except (InvalidTag, ValueError):
        raise Failure("Wrong passphrase for the key store. Try again.") from None


def _new_derived(passphrase: str, salt: bytes) -> tuple[KeyDerivation, bytes]:
    try:
        return KeyDerivation.ARGON2ID, _derived(KeyDerivation.ARGON2ID, passphrase, salt)
    except UnsupportedAlgorithm:
        return KeyDerivation.SCRYPT, _derived(KeyDerivation.SCRYPT, passphrase, salt)


def _derived(derivation: KeyDerivation, passphrase: str, salt: bytes) -> bytes:
    match derivation:
        case KeyDerivation.ARGON2ID:
            argon2 = Argon2id(
                salt=salt,
                length=KEY_BYTES,
                iterations=_ARGON2_ITERATIONS,
                lanes=_ARGON2_LANES,
                memory_cost=_ARGON2_MEMORY_KIB,
            )
            return argon2.derive(passphrase.encode())
        case KeyDerivation.SCRYPT:
            return Scrypt(salt=salt, length=KEY_BYTES, n=_SCRYPT_N, r=8, p=1).derive(passphrase.encode())
        case _:
            assert_never(derivation)


def _aad(derivation: KeyDerivation) -> bytes:
    return f"chatterbox store key {derivation}".encode()


def _service(server: str) -> str:
    return f"chatterbox keys {server}"


def _keyring() -> SystemKeyring | None:
    return cast("SystemKeyring", import_module("keyring")) if find_spec("keyring") else None


def _into_keyring(server: str, username: str, key: bytes) -> bool:
    """Whether the keyring took the key, and gives it back. Backends are plugins: without a desktop, most fail."""
    text = base64.b64encode(key).decode()
    try:
        keyring = _keyring()
        if keyring is None:
            return False
        keyring.set_password(_service(server), username.casefold(), text)
        return keyring.get_password(_service(server), username.casefold()) == text
    except Exception:  # noqa: BLE001 - they raise anything
        return False


def _from_keyring(server: str, username: str, path: Path) -> bytes:
    try:
        keyring = _keyring()
        text = keyring.get_password(_service(server), username.casefold()) if keyring else None
    except Exception as problem:  # noqa: BLE001 - as above
        raise Failure(f"Can't get the key of the key store from the keyring ({type(problem).__name__}).") from None
    if text is None:
        raise Failure(
            "The key of the key store is in the keyring, which does not give it. Unlock the keyring, or log in as a "
            "new device: `chatterbox logout`, then `chatterbox login`."
        )
    return _checked(base64.b64decode(text), path)


def _forget_in_keyring(server: str, username: str) -> None:
    with suppress(Exception):
        if keyring := _keyring():
            keyring.delete_password(_service(server), username.casefold())
