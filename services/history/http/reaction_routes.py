"""Public routes for reactions and pins of messages."""

from typing import Annotated

from fastapi import Path, Query, Response
from pydantic import BaseModel, Field

from chatterbox.chassis.http.http_errors import refusals
from chatterbox.wire.errors import Code
from chatterbox.wire.limits import Limits
from services.history.core.message_page import MAX_INTEGER
from services.history.http.app_context import History
from services.history.http.current_user import CurrentUser, public_router
from services.history.http.message_routes import (
    ENCRYPTED,
    NAMING_A_ROOM,
    WITH_REV,
    MessageOut,
    OffsetPath,
    ReactionOut,
    RoomPath,
    message_out,
    reaction_out,
)
from services.history.http.page_response import REV_HEADER

router = public_router()

EmojiPath = Annotated[str, Path(max_length=256, description="An emoji, or a name such as `:tada:`.")]
First = Annotated[int, Query(alias="from", ge=0, le=MAX_INTEGER, description="The first offset.")]
Last = Annotated[int, Query(alias="to", ge=0, le=MAX_INTEGER, description="The last offset, at most 200 further.")]

_OF_A_MESSAGE = (*NAMING_A_ROOM, Code.MESSAGE_UNKNOWN)


class EncryptedReactions(BaseModel):
    """All of a user's reactions to a message, encrypted for a version of the room's recipients."""

    envelope: str = Field(min_length=1, max_length=Limits().reaction_envelope_bytes)
    recipients: int = Field(strict=True, ge=1, le=MAX_INTEGER)


class OwnReaction(BaseModel):
    """An emoji with which you reacted to the message at an offset."""

    offset: int
    emoji: str


@router.get("/rooms/{room}/messages/reactions/mine", responses=refusals(*NAMING_A_ROOM))
async def own_reactions(
    room: RoomPath, first: First, last: Last, user: CurrentUser, history: History
) -> list[OwnReaction]:
    """List your reactions to the messages of a range of offsets."""
    found = await history.own_reactions(room, user, first, last)
    return [OwnReaction(offset=offset, emoji=emoji) for offset, emoji in found]


@router.get(
    "/rooms/{room}/messages/{offset}/reactions",
    response_model_exclude_defaults=True,
    responses=refusals(*_OF_A_MESSAGE),
)
async def reactions(room: RoomPath, offset: OffsetPath, user: CurrentUser, history: History) -> list[ReactionOut]:
    """List the reactions to a message, with the first 1000 users of each."""
    found = await history.reactions(room, user, offset)
    return list(map(reaction_out, found))


@router.put(
    "/rooms/{room}/messages/{offset}/reactions",
    status_code=204,
    responses=refusals(*_OF_A_MESSAGE, Code.MESSAGE_DELETED, Code.DIRECT_REFUSED, Code.TOO_MANY_REACTIONS, *ENCRYPTED),
)
async def react_encrypted(
    room: RoomPath, offset: OffsetPath, new: EncryptedReactions, user: CurrentUser, history: History
) -> Response:
    """Set all of your reactions to a message in an encrypted room."""
    await history.react_encrypted(room, user, offset, new.envelope, new.recipients)
    return Response(status_code=204)


@router.delete(
    "/rooms/{room}/messages/{offset}/reactions",
    status_code=204,
    responses=refusals(*_OF_A_MESSAGE, Code.REACTION_INVALID),
)
async def take_back_encrypted(room: RoomPath, offset: OffsetPath, user: CurrentUser, history: History) -> Response:
    """Take all of your reactions to a message in an encrypted room back."""
    await history.react_encrypted(room, user, offset)
    return Response(status_code=204)


@router.put(
    "/rooms/{room}/messages/{offset}/reactions/{emoji}",
    status_code=204,
    responses=refusals(
        *_OF_A_MESSAGE,
        Code.MESSAGE_DELETED,
        Code.DIRECT_REFUSED,
        Code.REACTION_INVALID,
        Code.TOO_MANY_REACTIONS,
        Code.ROOM_ENCRYPTED,
    ),
)
async def react(room: RoomPath, offset: OffsetPath, emoji: EmojiPath, user: CurrentUser, history: History) -> Response:
    """React to a message. Doing it again changes nothing."""
    await history.react(room, user, offset, emoji)
    return Response(status_code=204)


@router.delete(
    "/rooms/{room}/messages/{offset}/reactions/{emoji}",
    status_code=204,
    responses=refusals(*_OF_A_MESSAGE, Code.REACTION_INVALID),
)
async def take_back(
    room: RoomPath, offset: OffsetPath, emoji: EmojiPath, user: CurrentUser, history: History
) -> Response:
    """Take a reaction back."""
    await history.react(room, user, offset, emoji, remove=True)
    return Response(status_code=204)


@router.get(
    "/rooms/{room}/pins",
    response_model=list[MessageOut],
    response_model_exclude_defaults=True,
    responses={**refusals(*NAMING_A_ROOM), **WITH_REV},
)
async def pins(room: RoomPath, user: CurrentUser, history: History, response: Response) -> list[MessageOut]:
    """List the pinned messages of a room that you are in, oldest first."""
    page = await history.pins(room, user)
    response.headers[REV_HEADER] = str(page.rev)
    return [message_out(page.room, page.epoch, message) for message in page.messages]


@router.put(
    "/rooms/{room}/pins/{offset}",
    status_code=204,
    responses=refusals(*_OF_A_MESSAGE, Code.MESSAGE_DELETED, Code.NOT_ALLOWED, Code.DIRECT_REFUSED, Code.TOO_MANY_PINS),
)
async def pin(room: RoomPath, offset: OffsetPath, user: CurrentUser, history: History) -> Response:
    """Pin a message: the creator of the room can, and authors their own in a room of up to 50 members."""
    await history.pin(room, user, offset)
    return Response(status_code=204)


@router.delete("/rooms/{room}/pins/{offset}", status_code=204, responses=refusals(*_OF_A_MESSAGE, Code.NOT_ALLOWED))
async def unpin(room: RoomPath, offset: OffsetPath, user: CurrentUser, history: History) -> Response:
    """Unpin a message."""
    await history.pin(room, user, offset, remove=True)
    return Response(status_code=204)
