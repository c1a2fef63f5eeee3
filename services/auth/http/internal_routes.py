"""Internal routes for the other services (each with its own key) and the operator, and the health checks."""

from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import JSONResponse, Response

from chatterbox.chassis.core.caller_keys import ServiceName
from chatterbox.chassis.http.internal_http import read, write
from chatterbox.wire.auth_api import DisplayName, UserInfo, UserNames, Users
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.position import WHOLE_DIGITS
from services.auth.http.request_dependencies import Auth, AuthContext, required_caller
from services.auth.rules import display_names, username_policy

MAX_NAMES = 200
"""Names in one request."""

router = APIRouter(prefix="/internal", include_in_schema=False)
_SERVICES = [Depends(required_caller(ServiceName.FILES, ServiceName.GATEWAY, ServiceName.HISTORY))]
_HISTORY = [Depends(required_caller(ServiceName.HISTORY))]
_OPERATOR = [Depends(required_caller(ServiceName.AUTH))]
health = APIRouter(prefix="/health", include_in_schema=False)


class NamedUser(msgspec.Struct, frozen=True):
    """The body of a call about one user."""

    username: str


@router.get("/jwks", dependencies=_SERVICES)
async def jwks(auth: Auth) -> Response:
    return write(auth.key_ring.jwks())


@router.get("/revocations", dependencies=_SERVICES)
async def revocations(
    auth: Auth, epoch: str = "", since: Annotated[int, Query(ge=0, lt=10**WHOLE_DIGITS)] = 0
) -> Response:
    """A page of the revocations after number `since` of `epoch`."""
    return write(await auth.sessions.revocations(epoch, since))


@router.post("/user", dependencies=_HISTORY)
async def user(request: Request, auth: Auth) -> Response:
    found = await auth.users.by_name((await read(request, NamedUser)).username)
    if found is None:
        raise ChatError(Code.USER_UNKNOWN)
    return write(UserInfo(found.user_id, found.username))


@router.post("/users", dependencies=_HISTORY)
async def users(request: Request, auth: Auth) -> Response:
    names = (await read(request, UserNames)).usernames
    if len(names) > MAX_NAMES:
        raise ChatError(Code.BAD_REQUEST, f"One request has at most {MAX_NAMES} names.")
    found = await auth.users.by_names(names)
    return write(Users([UserInfo(user.user_id, user.username) for user in found]))


@router.post("/display-name", dependencies=_HISTORY)
async def display_name(request: Request, auth: Auth) -> Response:
    """Whether a user may have a display name."""
    wanted = await read(request, DisplayName)
    if any(map(username_policy.is_reserved, display_names.compared_forms(wanted.display_name))):
        raise ChatError(Code.DISPLAY_NAME_INVALID, "That display name, or one that looks like it, is reserved.")
    if await auth.users.is_imitated(wanted.display_name, wanted.user_id):
        raise ChatError(Code.DISPLAY_NAME_INVALID, "That display name looks like another user's username.")
    return write(wanted)


@router.post("/ban", dependencies=_OPERATOR)
async def ban(request: Request, auth: Auth) -> Response:
    return await _set_banned(request, auth, banned=True)


@router.post("/unban", dependencies=_OPERATOR)
async def unban(request: Request, auth: Auth) -> Response:
    return await _set_banned(request, auth, banned=False)


async def _set_banned(request: Request, auth: Auth, *, banned: bool) -> Response:
    name = (await read(request, NamedUser)).username
    found, ended = await auth.accounts.set_banned(name, banned=banned)
    await auth.sessions.publish_ended(ended)
    return write(UserInfo(found.user_id, found.username))


@health.get("/live")
async def live() -> JSONResponse:
    return JSONResponse({"status": "ok"})


@health.get("/ready")
async def ready(auth: Auth) -> JSONResponse:
    await check_ready(auth)
    return JSONResponse({"status": "ok"})


async def check_ready(auth: AuthContext) -> None:
    """Raise `unavailable` unless the database answers a query and is intact."""
    await auth.database.rows("SELECT 1")
    if auth.database.is_damaged:
        raise ChatError(Code.UNAVAILABLE, "The database is damaged: see the log, and restore a backup.")
