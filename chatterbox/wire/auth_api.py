"""What a session token says. Auth signs it (EdDSA, RFC 8037), everybody else verifies it with auth's JWKS."""

import msgspec

ALGORITHM = "EdDSA"
ISSUER = "chatterbox"
AUDIENCE = "chatterbox"
TYPE = "at+jwt"
MAX_CHARS = 4096
LEEWAY_S = 5
LONGEST_S = 43_200
"""No token is valid for longer: with broker and auth down, this bounds how long an ended session could linger."""


class Claims(msgspec.Struct, frozen=True, kw_only=True):
    """The claims of a verified token; times in seconds since 1970."""

    sub: str
    """The user's id, in decimal digits."""
    name: str
    """The username, as its owner writes it."""
    sid: str
    """The login session, which can be revoked."""
    jti: str
    iat: int
    exp: int

    @property
    def user_id(self) -> int:
        return int(self.sub)


class Jwks(msgspec.Struct, frozen=True):
    """Auth's public keys as a JSON Web Key Set (RFC 7517)."""

    keys: list[dict[str, str]]


class Revocation(msgspec.Struct, frozen=True):
    """A session that has ended before its tokens expired."""

    sid: str
    expires: int
    """When the last token of the session expires (seconds since 1970): after that nobody need remember it."""


class Revocations(msgspec.Struct, frozen=True):
    """All revocations that have not expired yet."""

    revocations: list[Revocation]


class UserInfo(msgspec.Struct, frozen=True):
    """Auth's answer to who somebody is."""

    user_id: int
    username: str
