"""Simulated users, with tokens signed like those of auth, by a key of the simulation."""

import base64
from dataclasses import dataclass
from functools import cache

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from chatterbox.wire import auth_api

KEY_ID = "simulated"
NOW_S = 1_800_000_000
"""Start of every schedule (seconds since 1970)."""
EXPIRES_S = NOW_S + auth_api.MAX_TOKEN_S
_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


@dataclass(frozen=True, slots=True)
class Person:
    """A logged-in user."""

    user_id: int
    username: str
    session: str
    token: str


@cache
def person(user_id: int) -> Person:
    """Return a user, the same in every schedule."""
    username, session = f"user{user_id}", f"session{user_id}"
    claims = auth_api.Claims(sub=str(user_id), name=username, sid=session, jti=session, iat=NOW_S, exp=EXPIRES_S)
    payload = {**msgspec.to_builtins(claims), "iss": auth_api.ISSUER, "aud": auth_api.AUDIENCE}
    headers = {"kid": KEY_ID, "typ": auth_api.TYPE}
    return Person(user_id, username, session, jwt.encode(payload, _KEY, auth_api.ALGORITHM, headers))


@cache
def jwks() -> auth_api.Jwks:
    public = _KEY.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    x = base64.urlsafe_b64encode(public).rstrip(b"=").decode()
    return auth_api.Jwks(
        [{"kty": "OKP", "crv": "Ed25519", "kid": KEY_ID, "x": x, "alg": auth_api.ALGORITHM, "use": "sig"}]
    )
