"""Public routes for invitations: list, decline, and block inviters. An invitation is accepted by joining the room."""

from typing import Annotated

from fastapi import Path, Response
from pydantic import BaseModel, Field

from chatterbox.chassis.http.http_errors import refusals
from chatterbox.wire.errors import Code
from chatterbox.wire.limits import DEFAULT_ROOM
from services.history.http.app_context import History
from services.history.http.current_user import CurrentUser, public_router

router = public_router()

RoomPath = Annotated[str, Path(description="The room's name.", examples=[DEFAULT_ROOM])]
UsernamePath = Annotated[str, Path(description="A username.", max_length=256)]


class InvitationOut(BaseModel):
    """A pending invitation."""

    room: str
    by: str = Field(description="The username of the member who sent it.")
    created: str = Field(description="When it was sent: RFC 3339, UTC, milliseconds.")


@router.get("/invitations")
async def invitations(user: CurrentUser, history: History) -> list[InvitationOut]:
    """List your pending invitations, oldest first. To accept one, join its room with `PUT /rooms/{room}/members/me`."""
    return [InvitationOut.model_validate(one, from_attributes=True) for one in await history.invitations(user)]


@router.delete("/invitations/{room}", status_code=204, responses=refusals(Code.ROOM_NAME_INVALID, Code.ROOM_UNKNOWN))
async def decline(room: RoomPath, user: CurrentUser, history: History) -> Response:
    """Decline an invitation. Its sender is not told."""
    await history.decline(room, user)
    return Response(status_code=204)


@router.get("/blocks")
async def blocks(user: CurrentUser, history: History) -> list[str]:
    """List the usernames whose invitations you have blocked."""
    return await history.blocked(user)


@router.put("/blocks/{username}", status_code=204, responses=refusals(Code.USERNAME_INVALID))
async def block(username: UsernamePath, user: CurrentUser, history: History) -> Response:
    """Drop a user's invitations to you, pending and later ones. They are not told; nor are you if the user exists."""
    await history.block(user, username)
    return Response(status_code=204)


@router.delete("/blocks/{username}", status_code=204, responses=refusals(Code.USERNAME_INVALID))
async def unblock(username: UsernamePath, user: CurrentUser, history: History) -> Response:
    """Allow a user's invitations again."""
    await history.unblock(user, username)
    return Response(status_code=204)
