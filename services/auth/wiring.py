"""What a request needs: the opened parts of auth, the address it came from, and whose token it carries."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request, Security

from chatterbox.chassis.calls import require_service_key
from chatterbox.chassis.edge import token_scheme
from chatterbox.chassis.identity import Verifier, bearer
from chatterbox.wire.tokens import Claims
from services.auth.accounts import Accounts
from services.auth.database import Database
from services.auth.keys import KeyRing
from services.auth.logins import Logins
from services.auth.throttle import network
from services.auth.users import Users


@dataclass(frozen=True, slots=True)
class Auth:
    """Everything that the lifespan opened."""

    accounts: Accounts
    logins: Logins
    users: Users
    ring: KeyRing
    verifier: Verifier
    database: Database
    service_key: str


async def _auth(request: Request) -> Auth:
    auth = request.app.state.auth
    assert isinstance(auth, Auth)  # noqa: S101 - the lifespan put it there
    return auth


TheAuth = Annotated[Auth, Depends(_auth)]


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
