"""Routes about users, under `/internal`: for gateways, and for the files service, which stores pictures."""

from collections.abc import Awaitable, Callable

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from chatterbox.chassis.core.caller_keys import ServiceName
from chatterbox.chassis.http.internal_http import read, require_caller, write
from chatterbox.wire import history_api
from services.history.http.app_context import context_of

MAX_SEEN_BYTES = 256 * 1024
"""The largest body that lists connected users."""


def required_caller(*allowed: ServiceName) -> Callable[[Request], Awaitable[None]]:
    """A dependency that refuses requests without the key of one of these services."""

    async def require(request: Request) -> None:
        require_caller(request, context_of(request).callers, *allowed)

    return require


router = APIRouter(prefix="/internal", include_in_schema=False)
_GATEWAY = [Depends(required_caller(ServiceName.GATEWAY))]
_FILES = [Depends(required_caller(ServiceName.FILES))]


@router.post("/people", dependencies=_GATEWAY)
async def people(request: Request) -> Response:
    query = await read(request, history_api.PeopleQuery)
    return write(await context_of(request).history.people.query(query))


@router.post("/seen", dependencies=_GATEWAY, max_body_size=MAX_SEEN_BYTES)
async def seen(request: Request) -> Response:
    await context_of(request).history.people.mark_seen((await read(request, history_api.UsersSeen)).user_ids)
    return write(None)


@router.post("/receipts", dependencies=_GATEWAY)
async def receipts(request: Request) -> Response:
    query = await read(request, history_api.ReceiptsQuery)
    return write(await context_of(request).history.receipts(query.room_id))


@router.post("/avatar", dependencies=_FILES)
async def avatar(request: Request) -> Response:
    changed = await read(request, history_api.AvatarChanged)
    return write(await context_of(request).history.people.set_avatar(changed))
