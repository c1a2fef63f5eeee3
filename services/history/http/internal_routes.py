"""Routes for gateways, under `/internal`. They decode with msgspec: pydantic would cost more than the queries."""

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from chatterbox.chassis.core.caller_keys import ServiceName
from chatterbox.chassis.http.internal_http import read, require_caller, write
from chatterbox.wire import history_api
from chatterbox.wire.auth_api import UserInfo
from services.history.core import message_page
from services.history.core.message_page import PageSpan
from services.history.history import HistoryService
from services.history.http.app_context import context_of

MAX_IDS_BYTES = 8 * 1024 * 1024
"""The largest body that lists users or rooms."""


async def _require_gateway(request: Request) -> None:
    require_caller(request, context_of(request).callers, ServiceName.GATEWAY)


router = APIRouter(prefix="/internal", include_in_schema=False, dependencies=[Depends(_require_gateway)])


def _history(request: Request) -> HistoryService:
    return context_of(request).history


@router.post("/memberships", max_body_size=MAX_IDS_BYTES)
async def memberships(request: Request) -> Response:
    query = await read(request, history_api.UserIds)
    return write(await _history(request).memberships(query.users))


@router.post("/read-states", max_body_size=MAX_IDS_BYTES)
async def read_states(request: Request) -> Response:
    query = await read(request, history_api.UserIds)
    return write(await _history(request).read_states(list(query.users)))


@router.post("/reads")
async def reads(request: Request) -> Response:
    return write(await _history(request).mark_read(await read(request, history_api.ReadPositions)))


@router.post("/notify")
async def notify(request: Request) -> Response:
    query = await read(request, history_api.NotifyCall)
    user = UserInfo(query.user_id, query.username)
    _, state = await _history(request).notify(query.room, user, query.level, query.until, origin=query.origin)
    return write(state)


@router.post("/heads", max_body_size=MAX_IDS_BYTES)
async def heads(request: Request) -> Response:
    query = await read(request, history_api.HeadsQuery)
    return write(await _history(request).heads(query))


@router.post("/page")
async def page(request: Request) -> Response:
    query = await read(request, history_api.PageQuery)
    span = _span(query)
    return write(message_page.to_stored_page(await _history(request).page(query.room_id, span, query.reader)))


def _span(query: history_api.PageQuery) -> PageSpan:
    if query.around is not None:
        return message_page.around(query.around, query.limit)
    return PageSpan(query.limit, query.after, query.before, thread=query.thread, pinned=query.pinned)


@router.post("/changes")
async def changes(request: Request) -> Response:
    query = await read(request, history_api.ChangesQuery)
    return write(message_page.to_stored_changes(await _history(request).changes(query)))


@router.post("/find")
async def find(request: Request) -> Response:
    query = await read(request, history_api.FindRoomCall)
    return write((await _history(request).room(query.room, UserInfo(query.user_id, query.username))).info)


@router.post("/join")
async def join(request: Request) -> Response:
    query = await read(request, history_api.JoinRoomCall)
    return write(await _history(request).join(query.room, UserInfo(query.user_id, query.username)))


@router.post("/leave")
async def leave(request: Request) -> Response:
    query = await read(request, history_api.LeaveRoomCall)
    return write(
        await _history(request).leave(
            query.room, UserInfo(query.user_id, query.username), delete=query.delete, entry=query.entry
        )
    )


@router.post("/remove")
async def remove(request: Request) -> Response:
    query = await read(request, history_api.RemoveMemberCall)
    creator = UserInfo(query.user_id, query.username)
    removed = await _history(request).remove_member(query.room, creator, query.member, entry=query.entry)
    return write(history_api.RemovedMember(removed.username))


@router.post("/delete")
async def delete(request: Request) -> Response:
    query = await read(request, history_api.DeleteRoomCall)
    return write(await _history(request).delete_room(query.room, UserInfo(query.user_id, query.username)))


@router.post("/create")
async def create(request: Request) -> Response:
    query = await read(request, history_api.CreateRoomCall)
    creator = UserInfo(query.user_id, query.username)
    return write(await _history(request).create(query.room, creator, private=query.private, entry=query.entry))


@router.post("/direct")
async def direct(request: Request) -> Response:
    query = await read(request, history_api.OpenDirectCall)
    user = UserInfo(query.user_id, query.username)
    return write(await _history(request).open_direct(user, query.other, encrypted=query.encrypted))


@router.post("/invite")
async def invite(request: Request) -> Response:
    query = await read(request, history_api.InviteUserCall)
    inviter = UserInfo(query.user_id, query.username)
    await _history(request).invite(query.room, inviter, query.invitee, entry=query.entry)
    return write(history_api.Invitee(query.invitee))


@router.post("/topic")
async def change_topic(request: Request) -> Response:
    query = await read(request, history_api.ChangeTopicCall)
    author = UserInfo(query.user_id, query.username)
    topic = await _history(request).change_topic(query.room, author, query.topic, recipients=query.recipients)
    return write(history_api.StoredTopic(topic))


@router.post("/rooms")
async def rooms(request: Request) -> Response:
    query = await read(request, history_api.ListRoomsCall)
    return write(await _history(request).rooms(query.user_id, query.after))
