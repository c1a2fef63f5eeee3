"""Public routes for read state: mark rooms as read or unread, set of what they notify you, list what is unread."""

from typing import Annotated

from fastapi import Path, Query
from pydantic import BaseModel, Field
from starlette.responses import Response

from chatterbox.chassis.http.http_errors import refusals
from chatterbox.chassis.http.internal_http import write
from chatterbox.wire.errors import Code
from chatterbox.wire.limits import DEFAULT_ROOM
from chatterbox.wire.read_state import MOST_TOLD, NotificationLevel, ReadState
from services.history.http.app_context import History
from services.history.http.current_user import CurrentUser, public_router

_NAMING_A_ROOM = (Code.ROOM_NAME_INVALID, Code.ROOM_UNKNOWN, Code.NOT_A_MEMBER)
_MOST = 2**53 - 1

router = public_router()

RoomPath = Annotated[str, Path(description="The room's name.", examples=[DEFAULT_ROOM])]
All = Annotated[bool, Query(description="All of your rooms, not only those with unread messages.")]


class ReadPositionIn(BaseModel):
    """How far you have read a room."""

    offset: int = Field(strict=True, ge=0, le=_MOST, description="The offset of the last message that you have read.")
    turn: int | None = Field(
        None,
        strict=True,
        ge=0,
        le=_MOST,
        description="The turn of this position; without it, the current one. Positions are compared as (turn, offset) "
        "and the greatest one counts: to mark messages as unread, give the current turn + 1, and the offset of the "
        "message before them.",
    )


class NotificationsIn(BaseModel):
    """Of what a room notifies you, on all of your devices."""

    level: NotificationLevel = Field(
        description="`all` messages, `mentions` of you, or `none`. An empty text leaves it to each client."
    )
    until: str = Field("", max_length=64, description="RFC 3339: before this time nothing, whatever the level.")


class RoomReadOut(BaseModel):
    """Your state of a room."""

    room: str
    read: int = Field(description="The offset up to which you have read.")
    turn: int = Field(description="The turn of `read`.")
    unread: int = Field(
        description=f"Messages of others after `read` and up to `counted`; {MOST_TOLD} means that many or more."
    )
    mentions: int = Field(description="Those of them that mention you; in a direct conversation, all of them.")
    counted: int = Field(description="The offset up to which `unread` and `mentions` count.")
    notify: NotificationLevel = Field(description="Of what the room notifies you; empty: each client decides.")
    until: str = Field(description="RFC 3339: before this time the room does not notify you; or empty.")


@router.put("/rooms/{room}/read", response_model=RoomReadOut, responses=refusals(*_NAMING_A_ROOM))
async def mark_read(room: RoomPath, position: ReadPositionIn, user: CurrentUser, history: History) -> Response:
    """Mark a room as read up to a message, or as unread after it. A position that is not greater changes nothing.

    All of your connections are told.
    """
    info, state = await history.mark_room_read(room, user, position.offset, position.turn)
    return write(_out(info.room, state))


@router.put("/rooms/{room}/notify", response_model=RoomReadOut, responses=refusals(*_NAMING_A_ROOM, Code.BAD_REQUEST))
async def notify(room: RoomPath, wanted: NotificationsIn, user: CurrentUser, history: History) -> Response:
    """Set of what a room notifies you. All of your connections are told."""
    info, state = await history.notify(room, user, wanted.level, wanted.until)
    return write(_out(info.room, state))


@router.get("/unread", response_model=list[RoomReadOut])
async def unread(user: CurrentUser, history: History, all: All = False) -> Response:  # noqa: A002 - its name in the query
    """List your rooms that have unread messages, by name."""
    return write([_out(room, state) for room, state in await history.unread(user) if state.unread or all])


def _out(room: str, state: ReadState) -> dict[str, object]:
    return {
        "room": room,
        "read": state.read,
        "turn": state.turn,
        "unread": state.unread,
        "mentions": state.mentions,
        "counted": state.counted,
        "notify": state.notify,
        "until": state.until,
    }
