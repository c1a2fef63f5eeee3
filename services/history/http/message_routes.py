"""Public route for reading messages: `GET /messages`."""

from typing import Annotated

from fastapi import Query
from pydantic import BaseModel, Field

from chatterbox.chassis.http.http_errors import refusals
from chatterbox.wire import text_rules
from chatterbox.wire.errors import Code
from chatterbox.wire.limits import DEFAULT_ROOM, Limits
from services.history.core.stored_message import StoredMessage
from services.history.http.app_context import History
from services.history.http.current_user import CurrentUser, public_router
from services.history.messages.message_pages import MAX_INTEGER, MessagePage, PageSpan

router = public_router()

Position = Annotated[int | None, Query(ge=0, le=MAX_INTEGER)]
Limit = Annotated[int, Query(ge=1, le=Limits().page_messages, description="Maximum number of messages.")]
Skip = Annotated[int, Query(ge=0, le=MAX_INTEGER, description="Number of messages to skip first.")]


class MessageOut(BaseModel):
    """A stored message. `(epoch, offset)` is its position in the room and never changes."""

    id: int
    room: str
    epoch: str
    offset: int
    username: str
    content: str
    timestamp: str = Field(description="When it was stored: RFC 3339, UTC, milliseconds.")


@router.get("/messages", responses=refusals(Code.ROOM_NAME_INVALID, Code.ROOM_UNKNOWN, Code.NOT_A_MEMBER))
async def messages(
    user: CurrentUser,
    history: History,
    limit: Limit = 50,
    offset: Skip = 0,
    room: str = DEFAULT_ROOM,
    before: Position = None,
    after: Position = None,
) -> list[MessageOut]:
    """Read messages of a room that you are in, newest first. Past the end, the list is empty.

    `offset` counts from the newest message, so pages shift when new messages arrive. To get stable pages, use
    `before=N` (messages below the room's offset N, newest first) or `after=N` (messages above it, **oldest first**),
    and continue with the `offset` of the last message that you received. With both, the messages in between are
    returned, oldest first.
    """
    page = await history.messages(room, user, PageSpan(limit, after=after, before=before, skip=offset))
    oldest_first = [_message(page, message) for message in page.messages]
    return oldest_first if after is not None else oldest_first[::-1]


def _message(page: MessagePage, message: StoredMessage) -> MessageOut:
    return MessageOut(
        id=message.message_id,
        room=page.room,
        epoch=page.epoch,
        offset=message.offset,
        username=message.username,
        content=message.content,
        timestamp=text_rules.timestamp(message.timestamp_ms),
    )
