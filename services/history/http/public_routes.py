"""The public routes: parse, ask history, answer. Every path is relative to the one public URL."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel, Field

from chatterbox.chassis.http.http_errors import refusals
from chatterbox.wire import text_rules
from chatterbox.wire.errors import Code
from chatterbox.wire.history_api import RoomInfo
from chatterbox.wire.limits import DEFAULT_ROOM, Limits
from services.history.http.current_user import Caller, TheHistory, documented
from services.history.messages.message_pages import GREATEST, MessagePage, PageMessage, PageSpan
from services.history.rooms.room_queries import SeenRoom

_NAMING_A_ROOM = (Code.ROOM_NAME_INVALID, Code.ROOM_UNKNOWN)
_ANYWHERE = (
    Code.TOKEN_MISSING,
    Code.TOKEN_INVALID,
    Code.TOKEN_EXPIRED,
    Code.SESSION_ENDED,
    Code.UNAVAILABLE,
)

router = APIRouter(tags=["history"], dependencies=[documented], responses=refusals(*_ANYWHERE))

RoomPath = Annotated[str, Path(description="A room's name.", examples=[DEFAULT_ROOM])]
Position = Annotated[int | None, Query(ge=0, le=GREATEST)]
Limit = Annotated[int, Query(ge=1, le=Limits().page_messages, description="How many messages at most.")]
Skip = Annotated[int, Query(ge=0, le=GREATEST, description="How many messages to pass over first.")]


class MessageOut(BaseModel):
    """One stored message; `(epoch, offset)` is its place in the room, which never changes."""

    id: int
    room: str
    epoch: str
    offset: int
    username: str
    content: str
    timestamp: str = Field(description="When it was stored: RFC 3339, UTC, milliseconds.")


class RoomOut(BaseModel):
    """A room; `head` is the offset of its last message."""

    room: str
    private: bool
    member: bool
    members: int
    epoch: str
    head: int
    topic: str


class RoomDetails(RoomOut):
    """A room, and since when it is there (RFC 3339)."""

    created: str


class NewRoom(BaseModel):
    """A room to make. A private one is seen by its members only, and entered by invitation."""

    room: str = Field(max_length=256)
    private: bool = False


class NewTopic(BaseModel):
    """What a room is about, in one line; empty: nothing in particular."""

    topic: str = Field(max_length=4096)


class Invitation(BaseModel):
    """Whom to make a member."""

    username: str = Field(min_length=1, max_length=256)


class InvitedOut(BaseModel):
    """Who is a member now, as they write their name."""

    room: str
    username: str


@router.get("/messages", responses=refusals(*_NAMING_A_ROOM, Code.NOT_A_MEMBER))
async def messages(
    caller: Caller,
    history: TheHistory,
    limit: Limit = 50,
    offset: Skip = 0,
    room: str = DEFAULT_ROOM,
    before: Position = None,
    after: Position = None,
) -> list[MessageOut]:
    """Read messages of a room that you are in, newest first; past its end the list is empty.

    `offset` counts from the newest message, so while people write, pages shift. `before=N` (messages below
    the room's offset N, newest first) and `after=N` (those above it, **oldest first**) do not: go on from the
    `offset` of the last message that you have. Both together: what lies between, oldest first.
    """
    page = await history.messages(room, caller, PageSpan(limit, after=after, before=before, skip=offset))
    oldest_first = [_message(page, message) for message in page.messages]
    return oldest_first if after is not None else oldest_first[::-1]


@router.get("/rooms")
async def rooms(caller: Caller, history: TheHistory) -> list[RoomOut]:
    """List the rooms that you are in, then the public ones."""
    return [RoomOut.model_validate(line, from_attributes=True) for line in await history.rooms(caller.user_id)]


@router.post(
    "/rooms", status_code=201, responses=refusals(Code.ROOM_NAME_INVALID, Code.ROOM_EXISTS, Code.TOO_MANY_ROOMS)
)
async def create(new: NewRoom, caller: Caller, history: TheHistory) -> RoomDetails:
    """Make a room and become its first member."""
    return await _details(await history.create(new.room, caller, private=new.private), caller, history)


@router.get("/rooms/{room}", responses=refusals(*_NAMING_A_ROOM))
async def room_details(room: RoomPath, caller: Caller, history: TheHistory) -> RoomDetails:
    """See a room that you are in, or a public one."""
    return _described(await history.room(room, caller))


@router.put("/rooms/{room}/topic", responses=refusals(*_NAMING_A_ROOM, Code.NOT_A_MEMBER, Code.TOPIC_INVALID))
async def change_topic(room: RoomPath, new: NewTopic, caller: Caller, history: TheHistory) -> RoomDetails:
    """Say what a room that you are in is about."""
    await history.change_topic(room, caller, new.topic)
    return _described(await history.room(room, caller))


@router.get("/rooms/{room}/members", responses=refusals(*_NAMING_A_ROOM, Code.NOT_A_MEMBER))
async def members(room: RoomPath, caller: Caller, history: TheHistory) -> list[str]:
    """List the usernames of those who are in a room that you are in."""
    return await history.members(room, caller)


@router.put("/rooms/{room}/members/me", responses=refusals(*_NAMING_A_ROOM, Code.TOO_MANY_ROOMS))
async def join(room: RoomPath, caller: Caller, history: TheHistory) -> RoomDetails:
    """Become a member of a public room; if you are one, nothing changes."""
    return await _details(await history.join(room, caller), caller, history)


@router.delete("/rooms/{room}/members/me", status_code=204, responses=refusals(*_NAMING_A_ROOM, Code.ROOM_FOR_ALL))
async def leave(room: RoomPath, caller: Caller, history: TheHistory) -> Response:
    """Stop being a member; nobody leaves a room that everybody is in."""
    await history.leave(room, caller)
    return Response(status_code=204)


@router.post(
    "/rooms/{room}/members",
    responses=refusals(*_NAMING_A_ROOM, Code.NOT_A_MEMBER, Code.USER_UNKNOWN, Code.TOO_MANY_ROOMS),
)
async def invite(room: RoomPath, invitation: Invitation, caller: Caller, history: TheHistory) -> InvitedOut:
    """Make somebody a member of a room that you are in; if they are one, nothing changes."""
    info, invitee = await history.invite(room, caller, invitation.username)
    return InvitedOut(room=info.room, username=invitee.username)


async def _details(info: RoomInfo, caller: Caller, history: TheHistory) -> RoomDetails:
    return _described(await history.room(info.room, caller))


def _described(seen: SeenRoom) -> RoomDetails:
    return RoomDetails(
        room=seen.info.room,
        private=seen.info.private,
        member=seen.member,
        members=seen.members,
        epoch=seen.info.epoch,
        head=seen.info.head,
        topic=seen.info.topic,
        created=text_rules.timestamp(seen.created_ms),
    )


def _message(page: MessagePage, message: PageMessage) -> MessageOut:
    return MessageOut(
        id=message.message_id,
        room=page.room,
        epoch=page.epoch,
        offset=message.offset,
        username=message.username,
        content=message.content,
        timestamp=text_rules.timestamp(message.timestamp_ms),
    )
