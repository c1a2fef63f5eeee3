"""What gateways ask by HTTP, under `/internal`: thin, and without pydantic, which would cost more than the work."""

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from chatterbox.chassis.calls import read, require_service_key, write
from chatterbox.wire import store
from chatterbox.wire.tokens import User
from services.history import pages
from services.history.history import History
from services.history.pages import Span

IDS_BYTES = 8 * 1024 * 1024
"""No list of users or rooms is larger."""


async def _our_services_only(request: Request) -> None:
    require_service_key(request, request.app.state.service_key)


router = APIRouter(prefix="/internal", include_in_schema=False, dependencies=[Depends(_our_services_only)])


def _history(request: Request) -> History:
    history: History = request.app.state.history
    return history


@router.post("/memberships", max_body_size=IDS_BYTES)
async def memberships(request: Request) -> Response:
    asked = await read(request, store.UserIds)
    return write(await _history(request).memberships(asked.users))


@router.post("/heads", max_body_size=IDS_BYTES)
async def heads(request: Request) -> Response:
    asked = await read(request, store.RoomIds)
    return write(await _history(request).heads(asked.room_ids))


@router.post("/page")
async def page(request: Request) -> Response:
    asked = await read(request, store.PageQuery)
    span = Span(asked.limit, after=asked.after, before=asked.before)
    return write(pages.stored(await _history(request).page(asked.room_id, span)))


@router.post("/join")
async def join(request: Request) -> Response:
    asked = await read(request, store.JoinRoom)
    return write(await _history(request).join(asked.room, User(asked.user_id, asked.username)))


@router.post("/leave")
async def leave(request: Request) -> Response:
    asked = await read(request, store.LeaveRoom)
    return write(await _history(request).leave(asked.room, User(asked.user_id, asked.username)))


@router.post("/create")
async def create(request: Request) -> Response:
    asked = await read(request, store.CreateRoom)
    maker = User(asked.user_id, asked.username)
    return write(await _history(request).create(asked.room, maker, private=asked.private))


@router.post("/invite")
async def invite(request: Request) -> Response:
    asked = await read(request, store.InviteUser)
    inviter = User(asked.user_id, asked.username)
    _, invitee = await _history(request).invite(asked.room, inviter, asked.invitee)
    return write(store.Invitee(invitee.username))


@router.post("/topic")
async def topic(request: Request) -> Response:
    asked = await read(request, store.ChangeTopic)
    author = User(asked.user_id, asked.username)
    return write(store.KeptTopic(await _history(request).change_topic(asked.room, author, asked.topic)))


@router.post("/rooms")
async def rooms(request: Request) -> Response:
    asked = await read(request, store.ListRooms)
    return write(store.RoomListing(await _history(request).rooms(asked.user_id)))
