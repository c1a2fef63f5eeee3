"""Who a token belongs to: verified with auth's public keys, refused once its session is revoked.

Checks follow RFC 8725 (JWT best current practices): one algorithm, keys only by `kid` from auth's own key
set, every claim required, lengths bounded.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from hashlib import sha256
from itertools import takewhile
from typing import Any

import httpx
import jwt
import msgspec

from chatterbox.chassis.http.internal_http import UnavailableError, call
from chatterbox.wire import auth_api
from chatterbox.wire.auth_api import Claims, Jwks, Revocation, Revocations
from chatterbox.wire.errors import ChatError, Code

log = logging.getLogger("chatterbox.token_verifier")

VERIFIED_TOKENS = 20_000
"""So many verified tokens are remembered: whoever comes back with one, as thousands do when a gateway restarts, costs
no signature to check."""
REFETCH_S = 30
"""An unknown `kid` makes us ask auth for its keys at most this often (seconds): no amplification."""


class TokenVerifier:
    """Turns tokens into claims. Holds auth's public keys and the sessions that are known to have ended."""

    def __init__(
        self,
        fetch_jwks: Callable[[], Awaitable[Jwks]],
        now_s: Callable[[], float],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`fetch_jwks` asks auth for its keys; `now_s` is seconds since 1970, `clock` seconds that never jump."""
        self._fetch_jwks = fetch_jwks
        self._now_s = now_s
        self._clock = clock
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched_s = float("-inf")
        self._fetching: asyncio.Task[None] | None = None
        self._revoked: dict[str, float] = {}
        """Until when each ended session is remembered: in the order in which that passes."""
        self._verified: dict[bytes, Claims] = {}
        """By the digest of the whole token, not of its signature, which says nothing without what it signs."""

    async def verify(self, token: str) -> Claims:
        """Return the claims of a valid token; raises `ChatError` with `token_...` or `session_ended`."""
        digest = sha256(token.encode(errors="surrogatepass")).digest()
        claims = self._verified.get(digest)
        if claims is None:
            claims = self._checked(token, await self._key(token))
            self._remember(digest, claims)
        else:
            self._check_times(claims)
        if claims.sid in self._revoked:
            raise ChatError(Code.SESSION_ENDED)
        return claims

    def _remember(self, digest: bytes, claims: Claims) -> None:
        if len(self._verified) >= VERIFIED_TOKENS:
            del self._verified[next(iter(self._verified))]  # the oldest
        self._verified[digest] = claims

    def revoke(self, revocation: Revocation) -> None:
        """Refuse the tokens of this session from now on; forget it when none of them can be valid any more.

        That is by a clock that never jumps: one that was ahead for a minute would bring ended sessions back to life.
        """
        now_s = self._clock()
        self._revoked.setdefault(revocation.sid, now_s + auth_api.LONGEST_S + 2 * auth_api.LEEWAY_S)
        for sid in list(takewhile(lambda sid: self._revoked[sid] < now_s, self._revoked)):
            del self._revoked[sid]

    @property
    def revocations(self) -> int:
        """How many ended sessions are remembered."""
        return len(self._revoked)

    def is_revoked(self, sid: str) -> bool:
        return sid in self._revoked

    @property
    def has_keys(self) -> bool:
        """Whether any token could be verified: auth has been reached once."""
        return bool(self._keys)

    async def _key(self, token: str) -> jwt.PyJWK:
        kid = _kid(token)
        if kid not in self._keys and self._clock() - self._fetched_s >= REFETCH_S:
            await self.refresh()
        if kid not in self._keys:
            raise ChatError(Code.TOKEN_INVALID)
        return self._keys[kid]

    async def refresh(self) -> None:
        """Fetch auth's keys anew; whoever asks meanwhile waits for the same answer."""
        if self._fetching is None or self._fetching.done():
            self._fetching = asyncio.create_task(self._fetch(), name="jwks.fetch")
        await asyncio.shield(self._fetching)

    async def _fetch(self) -> None:
        jwks = await self._fetch_jwks()
        try:
            keys = {key["kid"]: jwt.PyJWK(key, auth_api.ALGORITHM) for key in jwks.keys}
        except (KeyError, ValueError, jwt.PyJWTError) as problem:
            raise UnavailableError("auth gives keys of another kind: another version?") from problem
        if self._keys.keys() - keys.keys():  # what a withdrawn key has signed counts no more
            self._verified.clear()
        self._keys = keys
        self._fetched_s = self._clock()

    def _checked(self, token: str, key: jwt.PyJWK) -> Claims:
        try:
            payload = jwt.decode(token, key, **_DECODING)
            claims = msgspec.convert(payload, Claims)
        except (jwt.InvalidTokenError, msgspec.ValidationError, ValueError):
            raise ChatError(Code.TOKEN_INVALID) from None
        if not (claims.sub.isascii() and claims.sub.isdigit()):
            raise ChatError(Code.TOKEN_INVALID)
        self._check_times(claims)
        return claims

    def _check_times(self, claims: Claims) -> None:
        now_s = self._now_s()
        if claims.iat > now_s + auth_api.LEEWAY_S:
            raise ChatError(Code.TOKEN_INVALID, _FROM_THE_FUTURE)
        if claims.exp <= now_s - auth_api.LEEWAY_S:
            raise ChatError(Code.TOKEN_EXPIRED)


_FROM_THE_FUTURE = (
    "The token was issued later than it is now: the clocks of the server's machines differ; its operator must set them."
)
_DECODING: dict[str, Any] = {
    "algorithms": [auth_api.ALGORITHM],
    "audience": auth_api.AUDIENCE,
    "issuer": auth_api.ISSUER,
    "leeway": auth_api.LEEWAY_S,
    # Times are checked in `_checked`: PyJWT reads its own clock, and takes a time that is written as text.
    "options": {
        "require": ["exp", "iat", "sub", "aud", "iss", "jti", "sid"],
        "verify_exp": False,
        "verify_iat": False,
    },
}


def _kid(token: str) -> str:
    if not (token.isascii() and 0 < len(token) <= auth_api.MAX_CHARS):
        raise ChatError(Code.TOKEN_INVALID)
    try:
        header = jwt.get_unverified_header(token)
    except jwt.InvalidTokenError:
        raise ChatError(Code.TOKEN_INVALID) from None
    kid = header.get("kid")
    if header.get("alg") != auth_api.ALGORITHM or header.get("typ") != auth_api.TYPE or not isinstance(kid, str):
        raise ChatError(Code.TOKEN_INVALID)
    return kid


def bearer(authorization: str | None) -> str:
    """The token of an `Authorization` header; raises `token_missing` or `token_invalid`."""
    if not authorization:
        raise ChatError(Code.TOKEN_MISSING)
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise ChatError(Code.TOKEN_INVALID, "The Authorization header must be 'Bearer' and a token.")
    return token.strip()


class AuthClient:
    """What the other services ask of auth, over its internal address."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    async def jwks(self) -> Jwks:
        return await call(self._http, "GET", "/internal/jwks", None, Jwks)

    async def revocations(self) -> list[Revocation]:
        answer = await call(self._http, "GET", "/internal/revocations", None, Revocations)
        return answer.revocations

    async def user(self, username: str) -> auth_api.UserInfo:
        """Who goes by this name, however it is spelled; raises `user_unknown`."""
        return await call(self._http, "POST", "/internal/user", {"username": username}, auth_api.UserInfo)
