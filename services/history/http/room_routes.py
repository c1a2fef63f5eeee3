"""Public routes for rooms: list, create, join, leave, invite, remove, delete, members and topic."""

from typing import Annotated, Any, TypeAlias
from urllib.parse import urlencode

from fastapi import Path, Query, Response
from pydantic import BaseModel, Field

from chatterbox.chassis.http.http_errors import refusals
from chatterbox.chassis.http.internal_http import write
from chatterbox.wire import text_rules
from chatterbox.wire.errors import Code
from chatterbox.wire.history_api import RoomInfo
from chatterbox.wire.limits import DEFAULT_ROOM
from services.history.core.room_view import RoomView
from services.history.http.app_context import History
from services.history.http.current_user import CurrentUser, public_router
from services.history.http.encryption.member_log_routes import parsed_entry

_NAMING_A_ROOM = (Code.ROOM_NAME_INVALID, Code.ROOM_UNKNOWN)

router = public_router()

MemberPath = Annotated[str, Path(description="The member's username.", max_length=256)]
After = Annotated[str | None, Query(max_length=256, description="Where the page starts: taken from the header `Link`.")]
_PAGED: dict[int | str, dict[str, Any]] = {
    200: {"headers": {"Link": {"schema": {"type": "string"}, "description": "The next page, if there is one."}}}
}

RoomPath = Annotated[str, Path(description="The room's name.", examples=[DEFAULT_ROOM])]

Delete = Annotated[
    bool, Query(description="Confirms that a private room is deleted if you are its last member; else `last_member`.")
]


Entry: TypeAlias = dict[str, Any] | None


class RoomOut(BaseModel):
    """A room. `head` is the offset of its last message."""

    room: str
    private: bool
    member: bool
    members: int
    epoch: str
    head: int
    topic: str
    encrypted: bool = Field(default=False, description="It takes encrypted messages only; else left out.")
    uid: str = Field("", description="The name of an encrypted room inside its messages; else left out.")


class RoomDetails(RoomOut):
    """A room, and when (RFC 3339) and by whom it was created."""

    created: str
    creator: str | None = Field(description="May remove members and delete the room; null for the room of everyone.")


class NewRoom(BaseModel):
    """A room to create. A private room is visible to its members only, and joined by invitation.

    One whose name ends in `~` is encrypted.
    """

    room: str = Field(max_length=256)
    private: bool = False
    entry: Entry = Field(None, description="Of an encrypted room: the signed first `MemberEntry` of its member log.")


class NewTopic(BaseModel):
    """A room's topic, one line; in an encrypted room, an envelope. An empty topic clears it."""

    topic: str = Field(max_length=4096)
    recipients: int = Field(
        0,
        ge=0,
        le=2**53 - 1,
        description="In an encrypted room: the version of its recipients that the topic was encrypted for.",
    )


class NewInvitation(BaseModel):
    """The user to invite."""

    username: str = Field(min_length=1, max_length=256)
    entry: Entry = Field(None, description="To an encrypted room: the signed `MemberEntry` that names the user.")


class InvitedOut(BaseModel):
    """The invited username as it was given: whether there is such a user is not told."""

    room: str
    username: str


@router.get("/rooms", response_model=list[RoomOut], responses=_PAGED)
async def rooms(user: CurrentUser, history: History, after: After = None) -> Response:
    """List the rooms that you are in, then the public ones by name, in pages.

    If there are more, the header `Link` has the address of the next page (RFC 8288: `</rooms?after=…>; rel="next"`);
    it lists further public rooms only.
    """
    page = await history.rooms(user.user_id, after)
    answer = write(page.rooms)
    if page.next is not None:
        answer.headers["Link"] = f'</rooms?{urlencode({"after": page.next})}>; rel="next"'
    return answer


@router.post(
    "/rooms",
    status_code=201,
    response_model_exclude_defaults=True,
    responses=refusals(
        Code.ROOM_NAME_INVALID,
        Code.ROOM_EXISTS,
        Code.TOO_MANY_ROOMS,
        Code.ENCRYPTION_OFF,
        Code.ENCRYPTION_REQUIRED,
        Code.MEMBER_ENTRY_MISSING,
        Code.MEMBER_ENTRY_INVALID,
        Code.TOO_MANY_RECIPIENTS,
    ),
)
async def create(new: NewRoom, user: CurrentUser, history: History) -> RoomDetails:
    """Create a room and become its first member."""
    info = await history.create(new.room, user, private=new.private, entry=parsed_entry(new.entry))
    return await _changed(info, user, history)


@router.get("/rooms/{room}", response_model_exclude_defaults=True, responses=refusals(*_NAMING_A_ROOM))
async def room_details(room: RoomPath, user: CurrentUser, history: History) -> RoomDetails:
    """Get a public room, or one that you are in."""
    return await _details(await history.room(room, user), history)


@router.put(
    "/rooms/{room}/topic",
    response_model_exclude_defaults=True,
    responses=refusals(
        *_NAMING_A_ROOM,
        Code.NOT_A_MEMBER,
        Code.TOPIC_INVALID,
        Code.ENVELOPE_INVALID,
        Code.RECIPIENTS_STALE,
        Code.ROOM_ENCRYPTED,
        Code.ROOM_NOT_ENCRYPTED,
    ),
)
async def change_topic(room: RoomPath, new: NewTopic, user: CurrentUser, history: History) -> RoomDetails:
    """Set the topic of a room that you are in. That of an encrypted room is encrypted, as a message is."""
    await history.change_topic(room, user, new.topic, recipients=new.recipients)
    return await _details(await history.changed_room(room, user), history)


@router.get("/rooms/{room}/members", responses=refusals(*_NAMING_A_ROOM, Code.NOT_A_MEMBER))
async def members(room: RoomPath, user: CurrentUser, history: History) -> list[str]:
    """List the usernames of the members of a room that you are in."""
    return await history.members(room, user)


@router.put(
    "/rooms/{room}/members/me",
    response_model_exclude_defaults=True,
    responses=refusals(*_NAMING_A_ROOM, Code.REMOVED_FROM_ROOM, Code.TOO_MANY_ROOMS, Code.TOO_MANY_RECIPIENTS),
)
async def join(room: RoomPath, user: CurrentUser, history: History) -> RoomDetails:
    """Join a public room, or one that you are invited to. If you are already a member, nothing changes."""
    return await _changed(await history.join(room, user), user, history)


@router.delete(
    "/rooms/{room}/members/me",
    status_code=204,
    responses=refusals(*_NAMING_A_ROOM, Code.ROOM_FOR_ALL, Code.LAST_MEMBER),
)
async def leave(room: RoomPath, user: CurrentUser, history: History, delete: Delete = False) -> Response:
    """Leave a room. Rooms that everybody is in can't be left.

    A private room ends with its last member: the room and its messages are deleted, and its name is free again. A
    public room without messages ends like that, too. In an encrypted room, the command `leave` on a WebSocket
    connection also takes the signed entry of the member log that you left.
    """
    await history.leave(room, user, delete=delete)
    return Response(status_code=204)


@router.delete(
    "/rooms/{room}/members/{username}",
    status_code=204,
    responses=refusals(
        *_NAMING_A_ROOM, Code.NOT_A_MEMBER, Code.NOT_THE_CREATOR, Code.USER_UNKNOWN, Code.MEMBER_ENTRY_MISSING
    ),
)
async def remove_member(room: RoomPath, username: MemberPath, user: CurrentUser, history: History) -> Response:
    """Remove a member from a room that you created. They can join it again only when a member invites them.

    In an encrypted room, use the command `remove` on a WebSocket connection, which takes the signed entry of the member
    log.
    """
    await history.remove_member(room, user, username)
    return Response(status_code=204)


@router.delete(
    "/rooms/{room}",
    status_code=204,
    responses=refusals(*_NAMING_A_ROOM, Code.NOT_A_MEMBER, Code.NOT_THE_CREATOR),
)
async def delete_room(room: RoomPath, user: CurrentUser, history: History) -> Response:
    """Delete a room that you created, with all of its messages, for all of its members. Its name is free again."""
    await history.delete_room(room, user)
    return Response(status_code=204)


@router.post(
    "/rooms/{room}/members",
    responses=refusals(
        *_NAMING_A_ROOM,
        Code.NOT_A_MEMBER,
        Code.MEMBER_ENTRY_MISSING,
        Code.MEMBER_ENTRY_INVALID,
        Code.MEMBER_LOG_STALE,
        Code.TOO_MANY_RECIPIENTS,
    ),
)
async def invite(room: RoomPath, invitation: NewInvitation, user: CurrentUser, history: History) -> InvitedOut:
    """Invite a user to a room that you are in. They become a member when they accept, by joining the room.

    The answer is the same if there is no such user, or if they are a member already or have blocked you. To an
    encrypted room, only users who have keys can be invited.
    """
    info = await history.invite(room, user, invitation.username, entry=parsed_entry(invitation.entry))
    return InvitedOut(room=info.room, username=invitation.username)


async def _changed(info: RoomInfo, user: CurrentUser, history: History) -> RoomDetails:
    return await _details(await history.changed_room(info.room, user), history)


async def _details(view: RoomView, history: History) -> RoomDetails:
    return RoomDetails(
        room=view.info.room,
        private=view.info.private,
        member=view.member,
        members=view.members,
        epoch=view.info.epoch,
        head=view.info.head,
        topic=view.info.topic,
        created=text_rules.timestamp(view.created_ms),
        creator=await history.creator(view),
        encrypted=view.info.encrypted,
        uid=view.info.uid,
    )
