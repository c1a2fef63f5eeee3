"""Verifies session tokens with auth's public keys, and refuses those of revoked sessions.

The checks follow RFC 8725 (JWT best current practices): one algorithm, keys only by `kid` from auth's own key set, all
claims required, lengths bounded.
"""

import asyncio
import logging
import time
from base64 import urlsafe_b64decode
from collections.abc import Awaitable, Callable, Collection, Sequence
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode

import httpx
import jwt
import msgspec

from chatterbox.chassis.core.expiring_set import ExpiringSet
from chatterbox.chassis.http.internal_http import UnavailableError, call
from chatterbox.wire import auth_api
from chatterbox.wire.auth_api import Claims, Jwks, Revocations
from chatterbox.wire.errors import ChatError, Code

log = logging.getLogger("chatterbox.token_verifier")

VERIFIED_TOKENS = 20_000
"""Verified tokens kept in a cache: clients that reconnect, thousands at once when a gateway restarts, cost no signature
check."""
REFETCH_S = 30
"""Auth's keys are fetched for an unknown `kid` at most this often (seconds), so that forged tokens can't flood auth."""


class TokenVerifier:
    """Turns tokens into claims. Caches auth's public keys and the known revocations."""

    def __init__(
        self,
        fetch_jwks: Callable[[], Awaitable[Jwks]],
        now_s: Callable[[], float],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`fetch_jwks` fetches auth's keys; `now_s` is seconds since 1970, `clock` monotonic seconds."""
        self._fetch_jwks = fetch_jwks
        self._now_s = now_s
        self._clock = clock
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched_s = float("-inf")
        self._fetching: asyncio.Task[None] | None = None
        self._revoked = ExpiringSet(auth_api.MAX_TOKEN_S + 2 * auth_api.LEEWAY_S)
        """The ids of revoked sessions, until their last token must have expired."""
        self._knows_revocations = True
        self._verified: dict[bytes, Claims] = {}
        """By the digest of the whole token, since a signature alone does not determine what it signs."""

    async def verify(self, token: str, *, grace_s: float = 0.0) -> Claims:
        """Return the claims of a valid token, or of one that expired less than `grace_s` ago (seconds).

        Raises `ChatError` with `token_...` or `session_ended`, or `unavailable` while the revocations are unknown.
        """
        if not self._knows_revocations:
            detail = "The list of ended sessions is not loaded yet, so no token is accepted. Try again in a second."
            raise ChatError(Code.UNAVAILABLE, detail, retry_after_s=1.0)
        digest = sha256(token.encode(errors="surrogatepass")).digest()
        claims = self._verified.get(digest)
        if claims is None:
            claims = self._checked(token, await self._key(token))
            self._check_times(claims, grace_s)
            self._remember(digest, claims)
        else:
            self._check_times(claims, grace_s)
        if claims.sid in self._revoked:
            raise ChatError(Code.SESSION_ENDED)
        return claims

    def _remember(self, digest: bytes, claims: Claims) -> None:
        if len(self._verified) >= VERIFIED_TOKENS:
            del self._verified[next(iter(self._verified))]  # the oldest
        self._verified[digest] = claims

    def await_revocations(self) -> None:
        """Accept no token until `accept_tokens`: a token could belong to a session that has ended."""
        self._knows_revocations = False

    def accept_tokens(self) -> None:
        """Accept tokens from now on: every revocation so far has been passed to `revoke`."""
        self._knows_revocations = True

    def revoke(self, sids: Collection[str], *, are_new: bool = False) -> None:
        """Refuse the tokens of these sessions from now on, until the last one must have expired.

        Measured by the monotonic clock: if the wall clock were ahead for a minute, revocations would be dropped early.
        `are_new`: none of them is known, which need not be checked.
        """
        self._revoked.add(sids, self._clock(), are_new=are_new)

    def forget_revocations(self) -> None:
        """Forget some of the revocations of sessions whose last token must have expired; to be called regularly."""
        self._revoked.forget(self._clock())

    @property
    def revocations(self) -> int:
        """Number of revocations held."""
        return len(self._revoked)

    def is_revoked(self, sid: str) -> bool:
        return sid in self._revoked

    @property
    def knows_revocations(self) -> bool:
        """Whether auth's list of revocations has been loaded, or is not needed."""
        return self._knows_revocations

    @property
    def can_verify(self) -> bool:
        """Whether auth's keys and revocations have been fetched at least once."""
        return bool(self._keys) and self._knows_revocations

    async def _key(self, token: str) -> jwt.PyJWK:
        kid = _kid(token)
        if kid not in self._keys and self._clock() - self._fetched_s >= REFETCH_S:
            await self.refresh()
        if kid not in self._keys:
            raise ChatError(Code.TOKEN_INVALID)
        return self._keys[kid]

    async def refresh(self) -> None:
        """Fetch auth's keys; concurrent callers share one fetch."""
        if self._fetching is None or self._fetching.done():
            self._fetching = asyncio.create_task(self._fetch(), name="jwks.fetch")
        await asyncio.shield(self._fetching)

    async def _fetch(self) -> None:
        jwks = await self._fetch_jwks()
        try:
            keys = {key["kid"]: jwt.PyJWK(key, auth_api.ALGORITHM) for key in jwks.keys}
        except (KeyError, ValueError, jwt.PyJWTError) as problem:
            raise UnavailableError("auth returned unsupported keys; is it another version?") from problem
        if self._keys.keys() - keys.keys():  # tokens signed by a withdrawn key are no longer valid
            self._verified.clear()
        self._keys = keys
        self._fetched_s = self._clock()

    def _checked(self, token: str, key: jwt.PyJWK) -> Claims:
        try:
            payload = jwt.decode(token, key, **_DECODING)
            claims = msgspec.convert(payload, Claims)
        except (jwt.InvalidTokenError, msgspec.ValidationError, ValueError):
            raise ChatError(Code.TOKEN_INVALID) from None
        if not (claims.sub.isascii() and claims.sub.isdigit() and 0 < claims.exp - claims.iat <= auth_api.MAX_TOKEN_S):
            raise ChatError(Code.TOKEN_INVALID)
        return claims

    def _check_times(self, claims: Claims, grace_s: float) -> None:
        now_s = self._now_s()
        if claims.iat > now_s + auth_api.LEEWAY_S:
            raise ChatError(Code.TOKEN_INVALID, _FROM_THE_FUTURE)
        if auth_api.is_expired(claims.exp + grace_s, now_s):
            raise ChatError(Code.TOKEN_EXPIRED)


_FROM_THE_FUTURE = "The token was issued in the future: the server's clocks differ. Its operator must synchronize them."
_DECODING: dict[str, Any] = {
    "algorithms": [auth_api.ALGORITHM],
    "audience": auth_api.AUDIENCE,
    "issuer": auth_api.ISSUER,
    "leeway": auth_api.LEEWAY_S,
    # Times are checked in `_check_times`: PyJWT uses the system clock, and accepts times given as strings.
    "options": {
        "require": ["exp", "iat", "sub", "aud", "iss", "jti", "sid"],
        "verify_exp": False,
        "verify_iat": False,
    },
}


class _Header(msgspec.Struct):
    kid: str
    alg: str
    typ: str


_decode_header = msgspec.json.Decoder(_Header).decode


def _kid(token: str) -> str:
    """The id of the key of a token that may be forged: PyJWT checks the header again, with the signature.

    It could return the header as well, but checks the whole token character by character for that.
    """
    if not (token.isascii() and 0 < len(token) <= auth_api.MAX_CHARS):
        raise ChatError(Code.TOKEN_INVALID)
    segment = token.partition(".")[0]
    try:
        header = _decode_header(urlsafe_b64decode(segment + "=" * (-len(segment) % 4)))
    except (ValueError, RecursionError):  # msgspec's errors are ValueErrors
        raise ChatError(Code.TOKEN_INVALID) from None
    if header.alg != auth_api.ALGORITHM or header.typ != auth_api.TYPE:
        raise ChatError(Code.TOKEN_INVALID)
    return header.kid


def bearer(authorization: str | None) -> str:
    """The token of an `Authorization` header; raises `token_missing` or `token_invalid`."""
    if not authorization:
        raise ChatError(Code.TOKEN_MISSING)
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise ChatError(Code.TOKEN_INVALID, "The Authorization header must be 'Bearer TOKEN'.")
    return token.strip()


class AuthClient:
    """Client of auth's internal API."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    async def jwks(self) -> Jwks:
        return await call(self._http, "GET", "/internal/jwks", None, Jwks)

    async def revocations(self, epoch: str, since: int) -> Revocations:
        """The page of revocations after number `since` of `epoch`; from the first one if auth has another epoch."""
        query = urlencode({"epoch": epoch, "since": since})
        return await call(self._http, "GET", f"/internal/revocations?{query}", None, Revocations)

    async def user(self, username: str) -> auth_api.UserInfo:
        """The user with this name in any spelling; raises `user_unknown`."""
        return await call(self._http, "POST", "/internal/user", {"username": username}, auth_api.UserInfo)

    async def users(self, usernames: Sequence[str]) -> list[auth_api.UserInfo]:
        """The users with these names in any spelling, at most 200; without names that no user has."""
        body = auth_api.UserNames(list(usernames))
        return (await call(self._http, "POST", "/internal/users", body, auth_api.Users)).users

    async def check_display_name(self, user_id: int, display_name: str) -> None:
        """Raise `display_name_invalid` if the name looks like another user's username."""
        body = auth_api.DisplayName(user_id, display_name)
        await call(self._http, "POST", "/internal/display-name", body, auth_api.DisplayName)
