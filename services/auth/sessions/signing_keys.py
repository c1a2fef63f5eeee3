"""The keys that tokens are signed with: Ed25519, one file each in `auth-keys/`, mode 0600.

Files and not rows of a table: `rotate-keys` must be able to add one while the running server holds the database, and
a copy of the database then carries no key that could sign.

Rotation: a new key is published at once and signs a minute later. Until then every verifier can have fetched it, even
one that an attacker made fetch just before (it asks at most every `identity.REFETCH_S`). The older key stays
published until the last token that it signed has expired.
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
from chatterbox.chassis.sqlite.database import make_folder, unusable
from chatterbox.wire import auth_api
from chatterbox.wire.auth_api import Claims, Jwks
from chatterbox.wire.untrusted_json import decode_json

log = logging.getLogger("chatterbox.signing_keys")

PUBLISHED_S = 60
"""A key is published this long before it signs (seconds); more than `identity.REFETCH_S`."""
_KEPT_S = auth_api.LONGEST_S + 2 * auth_api.LEEWAY_S


class _Written(msgspec.Struct):
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
        """Read what `written` wrote; raises `ValueError` for anything else."""
        try:
            entry = decode_json(text, _Written)
            private = Ed25519PrivateKey.from_private_bytes(urlsafe_b64decode(entry.d + "="))
            return cls._of(private, entry.made_s)
        except ValueError as problem:
            raise ValueError("not a signing key") from problem

    @classmethod
    def _of(cls, private: Ed25519PrivateKey, made_s: float) -> "SigningKey":
        members = {"crv": "Ed25519", "kty": "OKP", "x": _base64(private.public_key().public_bytes_raw())}
        kid = _base64(sha256(json.dumps(members, separators=(",", ":")).encode()).digest())
        return cls(kid, made_s, private)

    def written(self) -> str:
        return json.dumps({"made_s": self.made_s, "d": _base64(self.private.private_bytes_raw()), **self.public()})

    def public(self) -> dict[str, str]:
        """The public half as a JSON Web Key (RFC 8037)."""
        x = _base64(self.private.public_key().public_bytes_raw())
        return {"kty": "OKP", "crv": "Ed25519", "x": x, "kid": self.kid, "use": "sig", "alg": auth_api.ALGORITHM}

    def sign(self, claims: Claims) -> str:
        """A token that says `claims`."""
        payload = {"iss": auth_api.ISSUER, "aud": auth_api.AUDIENCE, **msgspec.structs.asdict(claims)}
        return jwt.encode(payload, self.private, auth_api.ALGORITHM, {"kid": self.kid, "typ": auth_api.TYPE})


class KeyRing:
    """The keys in the data folder; notices files that come or go. `open` makes the first key."""

    def __init__(self, data: Path, now_s: Callable[[], float] = time.time) -> None:
        self._folder = data / "auth-keys"
        self._now_s = now_s
        self._names: frozenset[str] = frozenset()
        self._keys: list[SigningKey] = []

    def open(self) -> None:
        """Read the keys, and make the first one if there is none; drop those that nobody needs any more."""
        make_folder(self._folder)
        self._look()
        if self._names and not self._keys:  # a new one would log everybody out
            raise OperatorError(
                f"no key in {self._folder} can be read, and with a new one everybody must log in again; "
                "let the user who runs Chatterbox read them, or delete them"
            )
        if not self._keys:
            self.add()
        self.drop_retired()

    def add(self) -> SigningKey:
        """Make a new key. It signs a minute from now, or at once if it is the only one."""
        make_folder(self._folder)
        key = SigningKey.generate(self._now_s())
        _write_private(self._folder / f"{key.kid}.json", key.written())
        self._look()
        log.info("signing_key.created", extra={"kid": key.kid})
        return key

    def signing(self) -> SigningKey:
        """The key that signs now."""
        self._look()
        ready = [key for key in self._keys if key.made_s + PUBLISHED_S <= self._now_s()]
        return ready[-1] if ready else self._keys[0]

    def jwks(self) -> Jwks:
        """Every key whose tokens may still be valid, or soon will be."""
        self._look()
        return Jwks([key.public() for key in self._keys if not self._is_retired(key)])

    def _is_retired(self, key: SigningKey) -> bool:
        later = [other for other in self._keys if (other.made_s, other.kid) > (key.made_s, key.kid)]
        return bool(later) and later[0].made_s + PUBLISHED_S + _KEPT_S < self._now_s()

    def drop_retired(self) -> None:
        """Delete the keys whose last token has expired."""
        for key in [key for key in self._keys if self._is_retired(key)]:
            (self._folder / f"{key.kid}.json").unlink(missing_ok=True)
            log.info("signing_key.deleted", extra={"kid": key.kid})
        self._look()

    def discard_all(self) -> None:
        """Delete every key: no token signed before is valid any more."""
        if self._folder.exists():
            self._look()
            for name in self._names:
                (self._folder / name).unlink(missing_ok=True)

    def _look(self) -> None:
        """A list of a few names takes microseconds, so no timer is needed to notice a new key."""
        names = frozenset(name for name in os.listdir(self._folder) if name.endswith(".json"))  # noqa: PTH208
        if names == self._names:
            return
        found = [key for name in names if (key := _read(self._folder / name)) is not None]
        if found or not self._keys:
            self._keys = sorted(found, key=lambda key: (key.made_s, key.kid))
        self._names = names


def _read(path: Path) -> SigningKey | None:
    try:
        return SigningKey.parse(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as problem:
        log.error("signing_key.unreadable", extra={"file": path.name, "why": type(problem).__name__})  # noqa: TRY400
        return None


def _write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, whole or not at all."""
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
        raise unusable(path.parent, problem) from None


def _base64(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()
