"""FastAPI dependencies of auth's routes: the service context, the client's address, the token's claims."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request, Security

from chatterbox.chassis.core.caller_keys import CallerKeys, ServiceName
from chatterbox.chassis.core.peer_address import network, unmapped
from chatterbox.chassis.core.rate_limiter import RateLimiter
from chatterbox.chassis.http.http_app import context_of
from chatterbox.chassis.http.http_errors import token_scheme
from chatterbox.chassis.http.internal_http import require_caller
from chatterbox.chassis.token_verifier import TokenVerifier, bearer
from chatterbox.wire.auth_api import Claims
from chatterbox.wire.rate_limits import SESSION_REQUESTS
from services.auth.auth_database import AuthDatabase
from services.auth.sessions.login_sessions import LoginSessions
from services.auth.sessions.session_table import RENEWABLE_S
from services.auth.sessions.signing_keys import KeyRing
from services.auth.users.accounts import Accounts
from services.auth.users.user_table import UserTable


@dataclass(frozen=True, slots=True)
class AuthContext:
    """What the lifespan opens and the routes use."""

    accounts: Accounts
    sessions: LoginSessions
    users: UserTable
    key_ring: KeyRing
    verifier: TokenVerifier
    database: AuthDatabase
    callers: CallerKeys
    clock: Callable[[], float]
    """Monotonic seconds."""
    session_requests: RateLimiter[str] = field(
        default_factory=lambda: RateLimiter(SESSION_REQUESTS.bound, name=SESSION_REQUESTS.name)
    )


async def _auth(request: Request) -> AuthContext:
    return context_of(request, AuthContext)


Auth = Annotated[AuthContext, Depends(_auth)]


async def _peer(request: Request) -> str:
    return unmapped(request.client.host) if request.client else ""


Peer = Annotated[str, Depends(_peer)]
"""The client's whole address."""


async def _address(peer: Peer) -> str:
    return network(peer)


Address = Annotated[str, Depends(_address)]
"""The client's address as rate limits count it: see `peer_address.network`."""


async def _session(request: Request, auth: AuthContext, grace_s: float) -> Claims:
    claims = await auth.verifier.verify(bearer(request.headers.get("authorization")), grace_s=grace_s)
    auth.session_requests.spend(claims.sid, auth.clock())
    await auth.sessions.require_active(claims)
    return claims


async def _current_session(request: Request, auth: Auth, _: Annotated[str | None, Security(token_scheme)]) -> Claims:
    return await _session(request, auth, grace_s=0)


async def _renewable_session(request: Request, auth: Auth, _: Annotated[str | None, Security(token_scheme)]) -> Claims:
    return await _session(request, auth, grace_s=RENEWABLE_S)


CurrentSession = Annotated[Claims, Depends(_current_session)]
"""The claims of the request's token: signature verified, request counted, session checked in the database."""

RenewableSession = Annotated[Claims, Depends(_renewable_session)]
"""The same for a token that may have expired, but can be renewed: its session is active, and can be ended."""


def required_caller(*allowed: ServiceName) -> Callable[[Request, AuthContext], Awaitable[None]]:
    """A dependency that refuses requests without the key of one of these services."""

    async def require(request: Request, auth: Auth) -> None:
        require_caller(request, auth.callers, *allowed)

    return require
