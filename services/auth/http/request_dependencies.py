"""What a request needs: the opened parts of auth, the address it came from, and whose token it carries."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request, Security

from chatterbox.chassis.http.http_errors import token_scheme
from chatterbox.chassis.http.internal_http import require_service_key
from chatterbox.chassis.token_verifier import TokenVerifier, bearer
from chatterbox.wire.auth_api import Claims
from services.auth.auth_database import AuthDatabase
from services.auth.rules.login_throttle import network
from services.auth.sessions.login_sessions import LoginSessions
from services.auth.sessions.signing_keys import KeyRing
from services.auth.users.accounts import Accounts
from services.auth.users.user_table import UserTable


@dataclass(frozen=True, slots=True)
class AuthContext:
    """Everything that the lifespan opened."""

    accounts: Accounts
    logins: LoginSessions
    users: UserTable
    ring: KeyRing
    verifier: TokenVerifier
    database: AuthDatabase
    service_key: str


async def _auth(request: Request) -> AuthContext:
    auth = request.app.state.auth
    assert isinstance(auth, AuthContext)  # noqa: S101 - the lifespan put it there
    return auth


TheAuth = Annotated[AuthContext, Depends(_auth)]


async def _address(request: Request) -> str:
    return network(request.client.host) if request.client else ""


Address = Annotated[str, Depends(_address)]


async def _caller(request: Request, auth: TheAuth, _: Annotated[str | None, Security(token_scheme)]) -> Claims:
    """The claims of the request's token, checked by signature, and its session by what is stored."""
    claims = await auth.verifier.verify(bearer(request.headers.get("authorization")))
    await auth.logins.require_live(claims)
    return claims


Caller = Annotated[Claims, Depends(_caller)]


async def only_services(request: Request, auth: TheAuth) -> None:
    require_service_key(request, auth.service_key)
