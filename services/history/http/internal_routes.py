"""What gateways ask by HTTP, under `/internal`: thin, and without pydantic, which would cost more than the work."""

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from chatterbox.chassis.http.internal_http import read, require_service_key, write
from chatterbox.wire import history_api
from chatterbox.wire.auth_api import UserInfo
from services.history.history import HistoryService
from services.history.messages import message_pages
from services.history.messages.message_pages import PageSpan

IDS_BYTES = 8 * 1024 * 1024
"""No list of users or rooms is larger."""


async def _our_services_only(request: Request) -> None:
    require_service_key(request, request.app.state.service_key)


router = APIRouter(prefix="/internal", include_in_schema=False, dependencies=[Depends(_our_services_only)])


def _history(request: Request) -> HistoryService:
    history: HistoryService = request.app.state.history
    return history


@router.post("/memberships", max_body_size=IDS_BYTES)
async def memberships(request: Request) -> Response:
    asked = await read(request, history_api.UserIds)
    return write(await _history(request).memberships(asked.users))


@router.post("/heads", max_body_size=IDS_BYTES)
async def heads(request: Request) -> Response:
    asked = await read(request, history_api.RoomIds)
    return write(await _history(request).heads(asked.room_ids))


@router.post("/page")
async def page(request: Request) -> Response:
    asked = await read(request, history_api.PageQuery)
    span = PageSpan(asked.limit, after=asked.after, before=asked.before)
    return write(message_pages.stored(await _history(request).page(asked.room_id, span)))


@router.post("/join")
async def join(request: Request) -> Response:
    asked = await read(request, history_api.JoinRoomCall)
    return write(await _history(request).join(asked.room, UserInfo(asked.user_id, asked.username)))


@router.post("/leave")
async def leave(request: Request) -> Response:
    asked = await read(request, history_api.LeaveRoomCall)
    return write(await _history(request).leave(asked.room, UserInfo(asked.user_id, asked.username)))


@router.post("/create")
async def create(request: Request) -> Response:
    asked = await read(request, history_api.CreateRoomCall)
    maker = UserInfo(asked.user_id, asked.username)
    return write(await _history(request).create(asked.room, maker, private=asked.private))


@router.post("/invite")
async def invite(request: Request) -> Response:
    asked = await read(request, history_api.InviteUserCall)
    inviter = UserInfo(asked.user_id, asked.username)
    _, invitee = await _history(request).invite(asked.room, inviter, asked.invitee)
    return write(history_api.Invitee(invitee.username))


@router.post("/topic")
async def topic(request: Request) -> Response:
    asked = await read(request, history_api.ChangeTopicCall)
    author = UserInfo(asked.user_id, asked.username)
    return write(history_api.StoredTopic(await _history(request).change_topic(asked.room, author, asked.topic)))


@router.post("/rooms")
async def rooms(request: Request) -> Response:
    asked = await read(request, history_api.ListRoomsCall)
    return write(history_api.RoomListing(await _history(request).rooms(asked.user_id)))
