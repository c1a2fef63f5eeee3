"""Auth's internal API: token claims, public keys, revocations, users. Tokens are signed with EdDSA (RFC 8037)."""

import msgspec

ALGORITHM = "EdDSA"
ISSUER = "chatterbox"
AUDIENCE = "chatterbox"
TYPE = "at+jwt"
MAX_CHARS = 4096
LEEWAY_S = 5
"""How long a token is accepted after its expiry, since clocks differ (seconds); until then its session can be ended."""
MAX_TOKEN_S = 43_200
"""The longest validity of a token (seconds). It bounds how long an ended session stays usable while broker and auth
are down."""


def is_expired(expires_s: float, now_s: float) -> bool:
    """Whether a token, or a session whose last token this is, has ended at `now_s`; times in seconds since 1970.

    Every service decides by this rule, so that no session is over for one and alive for another.

    >>> is_expired(100, 100 + LEEWAY_S - 0.1), is_expired(100, 100 + LEEWAY_S)
    (False, True)
    """
    return expires_s <= newest_expired_s(now_s)


def newest_expired_s(now_s: float) -> float:
    """Tokens whose expiry is at most this are expired at `now_s`: `is_expired` for SQL."""
    return now_s - LEEWAY_S


class Claims(msgspec.Struct, frozen=True, kw_only=True):
    """The claims of a verified token; times in seconds since 1970."""

    sub: str
    """The user's id, in decimal digits."""
    name: str
    """The username as typed at registration."""
    sid: str
    """The id of the login session, which can be revoked."""
    jti: str
    iat: int
    exp: int

    @property
    def user_id(self) -> int:
        return int(self.sub)


class Jwks(msgspec.Struct, frozen=True):
    """Auth's public keys as a JSON Web Key Set (RFC 7517)."""

    keys: list[dict[str, str]]


class Revocations(msgspec.Struct, frozen=True):
    """A page of revocations: login sessions that ended before their tokens expired, in the order of their numbers.

    Auth numbers revocations 1, 2, 3 …; a service asks for those after the last number that it has. What no token can
    belong to any more is left out.
    """

    epoch: str
    """Identifies the numbering. Auth chooses another one at every start, since its database can have been replaced by
    a backup; numbers of another epoch mean nothing, and auth then answers from the first revocation."""
    upto: int
    """The number up to which this page and those before it are complete; where the next one starts."""
    is_last: bool
    """Whether there are no later revocations yet."""
    sids: list[str]
    """The ids of the sessions."""


class UserInfo(msgspec.Struct, frozen=True):
    """A user, as auth knows them."""

    user_id: int
    username: str


class UserNames(msgspec.Struct, frozen=True):
    """`POST /internal/users`: these names in any spelling, at most 200; returns `Users`."""

    usernames: list[str]


class Users(msgspec.Struct, frozen=True):
    """The users who have these names, in any order."""

    users: list[UserInfo]


class DisplayName(msgspec.Struct, frozen=True):
    """`POST /internal/display-name`: a display name that a user wants; returned if it is allowed.

    Refused with `display_name_invalid` if it looks like the username of another user, or like a reserved one.
    """

    user_id: int
    display_name: str
