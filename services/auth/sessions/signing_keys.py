"""Ed25519 keys that sign tokens, with rotation; one file per key in `auth-keys/`, mode 0600.

The keys are files, not rows, so that `rotate-keys` can add one while the running server holds the database lock, and
so that a copy of the database contains no key.

Rotation: a new key is published at once and signs a minute later. By then every verifier can have fetched it, even one
that an attacker made fetch just before: verifiers fetch at most every `token_verifier.REFETCH_S`. The old key stays
published until the last token it signed has expired.
"""

import json
import logging
import os
import secrets
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chatterbox.chassis.operator_errors import OperatorError
from chatterbox.chassis.sqlite.database import make_folder, unusable_path
from chatterbox.wire import auth_api
from chatterbox.wire.auth_api import Claims, Jwks
from chatterbox.wire.untrusted_json import decode_json

log = logging.getLogger("chatterbox.signing_keys")

PUBLISHED_S = 60
"""A key is published this long before it signs (seconds); more than `token_verifier.REFETCH_S`."""
_KEPT_S = auth_api.MAX_TOKEN_S + 2 * auth_api.LEEWAY_S


class _KeyFile(msgspec.Struct):
    """The fields of a key file that are read: private key (base64url) and creation time (seconds since 1970)."""

    d: str
    made_s: float


@dataclass(frozen=True, slots=True)
class SigningKey:
    """One key pair; `kid` is its RFC 7638 thumbprint, `made_s` seconds since 1970."""

    kid: str
    made_s: float
    private: Ed25519PrivateKey

    @classmethod
    def generate(cls, made_s: float) -> "SigningKey":
        return cls._of(Ed25519PrivateKey.generate(), made_s)

    @classmethod
    def parse(cls, text: str) -> "SigningKey":
        """Parse what `serialized` returned; raises `ValueError` for anything else."""
        try:
            entry = decode_json(text, _KeyFile)
            private = Ed25519PrivateKey.from_private_bytes(urlsafe_b64decode(entry.d + "="))
            return cls._of(private, entry.made_s)
        except ValueError as problem:
            raise ValueError("not a signing key") from problem

    @classmethod
    def _of(cls, private: Ed25519PrivateKey, made_s: float) -> "SigningKey":
        members = {"crv": "Ed25519", "kty": "OKP", "x": _base64(private.public_key().public_bytes_raw())}
        kid = _base64(sha256(json.dumps(members, separators=(",", ":")).encode()).digest())
        return cls(kid, made_s, private)

    def serialized(self) -> str:
        return json.dumps({"made_s": self.made_s, "d": _base64(self.private.private_bytes_raw()), **self.public_jwk()})

    def public_jwk(self) -> dict[str, str]:
        """The public half as a JSON Web Key (RFC 8037)."""
        x = _base64(self.private.public_key().public_bytes_raw())
        return {"kty": "OKP", "crv": "Ed25519", "x": x, "kid": self.kid, "use": "sig", "alg": auth_api.ALGORITHM}

    def sign(self, claims: Claims) -> str:
        """Sign a token with these claims."""
        payload = {"iss": auth_api.ISSUER, "aud": auth_api.AUDIENCE, **msgspec.structs.asdict(claims)}
        return jwt.encode(payload, self.private, auth_api.ALGORITHM, {"kid": self.kid, "typ": auth_api.TYPE})


class KeyRing:
    """The keys in the data folder. Picks up added and removed files; `open` creates the first key."""

    def __init__(self, data: Path, now_s: Callable[[], float] = time.time) -> None:
        self._folder = data / "auth-keys"
        self._now_s = now_s
        self._file_names: frozenset[str] = frozenset()
        self._keys: list[SigningKey] = []

    def open(self) -> None:
        """Read the keys, create the first one if there is none, and delete retired ones."""
        make_folder(self._folder)
        self._reload()
        if self._file_names and not self._keys:  # a new key would log everyone out
            raise OperatorError(
                f"no key in {self._folder} can be read; make the files readable for the user who runs Chatterbox, "
                "or delete them to start with a new key, after which everyone must log in again"
            )
        if not self._keys:
            self.add()
        self.delete_retired()

    def add(self) -> SigningKey:
        """Create a key. It signs a minute from now, or at once if it is the only one."""
        make_folder(self._folder)
        key = SigningKey.generate(self._now_s())
        _write_private(self._folder / f"{key.kid}.json", key.serialized())
        self._reload()
        log.info("signing_key.created", extra={"kid": key.kid})
        return key

    def signing_key(self) -> SigningKey:
        """The key to sign with now."""
        self._reload()
        ready = [key for key in self._keys if key.made_s + PUBLISHED_S <= self._now_s()]
        return ready[-1] if ready else self._keys[0]

    def jwks(self) -> Jwks:
        """Every key that has signed tokens still valid, or will sign soon."""
        self._reload()
        return Jwks([key.public_jwk() for key in self._keys if not self._is_retired(key)])

    def _is_retired(self, key: SigningKey) -> bool:
        later = [other for other in self._keys if (other.made_s, other.kid) > (key.made_s, key.kid)]
        return bool(later) and later[0].made_s + PUBLISHED_S + _KEPT_S < self._now_s()

    def delete_retired(self) -> None:
        """Delete the keys whose last token has expired."""
        for key in [key for key in self._keys if self._is_retired(key)]:
            (self._folder / f"{key.kid}.json").unlink(missing_ok=True)
            log.info("signing_key.deleted", extra={"kid": key.kid})
        self._reload()

    def discard_all(self) -> None:
        """Delete every key, which invalidates every token."""
        if self._folder.exists():
            self._reload()
            for name in self._file_names:
                (self._folder / name).unlink(missing_ok=True)

    def _reload(self) -> None:
        """Read the folder if its file names changed. Listing a few names takes microseconds, so no timer is needed."""
        names = frozenset(name for name in os.listdir(self._folder) if name.endswith(".json"))  # noqa: PTH208
        if names == self._file_names:
            return
        found = [key for name in names if (key := _read(self._folder / name)) is not None]
        if found or not self._keys:
            self._keys = sorted(found, key=lambda key: (key.made_s, key.kid))
        self._file_names = names


def _read(path: Path) -> SigningKey | None:
    try:
        return SigningKey.parse(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as problem:
        log.error("signing_key.unreadable", extra={"file": path.name, "why": type(problem).__name__})  # noqa: TRY400
        return None


def _write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, atomically."""
    draft = path.with_name(f".{secrets.token_hex(8)}.draft")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.rename(path)
    except OSError as problem:
        draft.unlink(missing_ok=True)
        raise unusable_path(path.parent, problem) from None


def _base64(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()
