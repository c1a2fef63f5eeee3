"""What the other services ask, with the service key, and what tells that this process is alive."""

import msgspec
from fastapi import APIRouter, Depends, Request
from starlette.responses import JSONResponse, Response

from chatterbox.chassis.http.internal_http import read, write
from chatterbox.wire.auth_api import Revocations, UserInfo
from chatterbox.wire.errors import ChatError, Code
from services.auth.http.request_dependencies import TheAuth, only_services

router = APIRouter(prefix="/internal", include_in_schema=False, dependencies=[Depends(only_services)])
health = APIRouter(prefix="/health", include_in_schema=False)


class UserName(msgspec.Struct, frozen=True):
    """Whom a call is about."""

    username: str


@router.get("/jwks")
async def jwks(auth: TheAuth) -> Response:
    return write(auth.ring.jwks())


@router.get("/revocations")
async def revocations(auth: TheAuth) -> Response:
    return write(Revocations(await auth.logins.revoked()))


@router.post("/user")
async def user(request: Request, auth: TheAuth) -> Response:
    found = await auth.users.named((await read(request, UserName)).username)
    if found is None:
        raise ChatError(Code.USER_UNKNOWN)
    return write(UserInfo(found.user_id, found.username))


@router.post("/ban")
async def ban(request: Request, auth: TheAuth) -> Response:
    return await _set_banned(request, auth, banned=True)


@router.post("/unban")
async def unban(request: Request, auth: TheAuth) -> Response:
    return await _set_banned(request, auth, banned=False)


async def _set_banned(request: Request, auth: TheAuth, *, banned: bool) -> Response:
    name = (await read(request, UserName)).username
    found, ended = await auth.accounts.ban(name, banned=banned)
    await auth.logins.announce(ended)
    return write(UserInfo(found.user_id, found.username))


@health.get("/live")
async def live() -> JSONResponse:
    return JSONResponse({"status": "ok"})


@health.get("/ready")
async def ready(auth: TheAuth) -> JSONResponse:
    """Ready to log people in: the database answers."""
    await auth.database.read("SELECT 1")
    return JSONResponse({"status": "ok"})
