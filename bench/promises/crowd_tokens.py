"""Tokens of many users at once, signed with auth's own key: registering thousands would take minutes of hashing."""

import time
from collections.abc import Sequence
from pathlib import Path

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chatterbox.wire import auth_api
from services.auth.sessions.signing_keys import SigningKey

FIRST_ID = 1_000_000
"""User ids from here on: above those of users who registered."""


def tokens(auth_data: Path, usernames: Sequence[str], first_id: int = FIRST_ID) -> list[str]:
    """A token for each of these users, whom auth does not know; `auth_data` is the data folder of a running auth."""
    [path] = (auth_data / "auth-keys").iterdir()
    key = SigningKey.parse(path.read_text())
    return [_token(key.kid, key.private, first_id + number, username) for number, username in enumerate(usernames)]


def _token(kid: str, private: Ed25519PrivateKey, user_id: int, username: str) -> str:
    now_s = int(time.time())
    session = f"bench-{user_id}"
    claims = auth_api.Claims(
        sub=str(user_id), name=username, sid=session, jti=session, iat=now_s, exp=now_s + auth_api.MAX_TOKEN_S
    )
    payload = {**msgspec.to_builtins(claims), "iss": auth_api.ISSUER, "aud": auth_api.AUDIENCE}
    return jwt.encode(payload, private, auth_api.ALGORITHM, headers={"kid": kid, "typ": auth_api.TYPE})
