"""Public routes for messages: read, send, edit and delete them."""

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from fastapi import Header, Path, Query, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, Field

from chatterbox.chassis.http.http_errors import refusals
from chatterbox.wire import text_rules
from chatterbox.wire.errors import Code
from chatterbox.wire.frames import Reaction
from chatterbox.wire.limits import DEFAULT_ROOM, Limits
from services.history.core import stored_message
from services.history.core.message_page import MAX_INTEGER, PageSpan
from services.history.core.page_json import requested_page
from services.history.core.stored_message import StoredMessage
from services.history.http.app_context import History, Pages
from services.history.http.current_user import CurrentUser, public_router
from services.history.http.page_endpoint import DEFAULT_LIMIT, PATH
from services.history.http.page_response import REV_HEADER, PageResponse

router = public_router()

RoomPath = Annotated[str, Path(description="The room's name.", examples=[DEFAULT_ROOM])]
OffsetPath = Annotated[int, Path(ge=1, le=MAX_INTEGER, description="The message's offset in its room.")]
Position = Annotated[int | None, Query(ge=0, le=MAX_INTEGER)]
Limit = Annotated[int, Query(ge=1, le=Limits().page_messages, description="Maximum number of messages.")]
Skip = Annotated[int, Query(ge=0, le=MAX_INTEGER, description="Number of messages to skip first.")]
Around = Annotated[int | None, Query(ge=0, le=MAX_INTEGER, description="Read the messages around this offset.")]
Thread = Annotated[
    int | None, Query(ge=1, le=MAX_INTEGER, description="Only replies in the thread that this offset began.")
]
IfNoneMatch = Annotated[Sequence[str], Header(description="ETags of pages that you have.")]
ChangedAfter = Annotated[
    int | None, Query(ge=0, le=MAX_INTEGER, description="Only messages that changed after this rev, by rev.")
]

_REV_HEADERS: dict[str, Any] = {
    REV_HEADER: {"schema": {"type": "integer"}, "description": "The room's rev: the messages are as of it."}
}
WITH_REV: dict[int | str, dict[str, Any]] = {200: {"headers": _REV_HEADERS}}
_ETAG = {"schema": {"type": "string"}, "description": "Identifies the page; not with `thread` or `changed_after`."}
_PAGE_HEADERS: dict[str, Any] = {**_REV_HEADERS, "ETag": _ETAG}
_PAGE_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"headers": _PAGE_HEADERS},
    304: {"headers": _PAGE_HEADERS, "description": "You have this page: `If-None-Match` names its ETag."},
}
ENCRYPTED = (
    Code.ROOM_ENCRYPTED,
    Code.ROOM_NOT_ENCRYPTED,
    Code.ENVELOPE_INVALID,
    Code.RECIPIENTS_STALE,
    Code.ENCRYPTION_REQUIRED,
)
"""Refusals that have to do with encryption."""
NAMING_A_ROOM = (Code.ROOM_NAME_INVALID, Code.ROOM_UNKNOWN, Code.NOT_A_MEMBER)


class ReactionOut(BaseModel):
    """How many users reacted to a message with an emoji, and the first of them."""

    emoji: str
    n: int
    by: list[str]
    envelope: str = Field("", description="In an encrypted room: all reactions of the one user in `by`, encrypted.")


class MessageFileOut(BaseModel):
    """A file of a message: `GET /files/{id}`."""

    id: str
    name: str
    type: str = Field(description="The media type that the server found in the bytes.")
    size: int = Field(description="Bytes.")
    width: int = Field(0, description="Pixels; only of a picture that has previews.")
    height: int = 0


class MessageOut(BaseModel):
    """A stored message as it is now. `(epoch, offset)` is its position in the room and never changes.

    Fields that say nothing are left out.
    """

    id: int
    room: str
    epoch: str
    offset: int
    username: str
    content: str
    timestamp: str = Field(description="When it was stored: RFC 3339, UTC, milliseconds.")
    rev: int = Field(0, description="The room's rev when the message last changed.")
    reply_to: int = Field(0, description="The offset of the message that this one answers.")
    thread: int = Field(0, description="The offset of the first message of its thread.")
    replies: int = Field(0, description="How many messages are in the thread that this one began.")
    mentions: list[str] = Field([], description="The users whom the text names, and `@room`.")
    edited: str = Field("", description="When its text was last edited.")
    deleted: bool = Field(default=False, description="It was erased: its text is empty.")
    by: str = Field("", description="Who deleted it.")
    reactions: list[ReactionOut] = []
    pinned: bool = False
    files: list[MessageFileOut] = []


ENVELOPE_CHARS = Limits().envelope_bytes
Recipients = Annotated[
    int | None,
    Field(
        strict=True,
        ge=1,
        le=MAX_INTEGER,
        description="In an encrypted room: the version of its recipients that the message was encrypted for.",
    ),
]


class NewMessage(BaseModel):
    """A message to send. The same `key` from the same user in the same room is stored once."""

    room: str = Field(DEFAULT_ROOM, max_length=256)
    content: str = Field(max_length=ENVELOPE_CHARS)
    key: str | None = Field(None, max_length=256, description="Chosen by the client, the same for retries.")
    reply_to: int | None = Field(
        None, strict=True, ge=1, le=MAX_INTEGER, description="The offset of the message to answer."
    )
    files: list[Annotated[str, Field(max_length=64)]] = Field(
        [],
        max_length=100,
        description="Ids of files that you uploaded for this room; `content` may then be empty.",
    )
    recipients: Recipients = None


class NewText(BaseModel):
    """The new text of a message. With `rev`: only if the message did not change after it."""

    content: str = Field(max_length=ENVELOPE_CHARS)
    rev: int | None = Field(None, strict=True, ge=0, le=MAX_INTEGER)
    recipients: Recipients = None


@router.get(
    PATH,
    response_model=list[MessageOut],
    response_model_exclude_defaults=True,
    responses={**refusals(*NAMING_A_ROOM), **_PAGE_RESPONSES},
)
async def messages(
    user: CurrentUser,
    history: History,
    pages: Pages,
    response: Response,
    limit: Limit = DEFAULT_LIMIT,
    offset: Skip = 0,
    room: str = DEFAULT_ROOM,
    before: Position = None,
    after: Position = None,
    around: Around = None,
    thread: Thread = None,
    changed_after: ChangedAfter = None,
    if_none_match: IfNoneMatch = (),
) -> Response | list[MessageOut]:
    """Read messages of a room that you are in, newest first. Past the end, the list is empty.

    `offset` counts from the newest message, so pages shift when new messages arrive. To get stable pages, use
    `before=N` (messages below the room's offset N, newest first) or `after=N` (messages above it, **oldest first**),
    and continue with the `offset` of the last message that you received. With both, the messages in between are
    returned, oldest first. With `thread`, the same of a thread.

    To follow changes of messages that you have, read with `changed_after=N`: those that changed after rev N, as they
    are now, by rev. Continue with the `rev` of the last one; after a page that is not full, with the header
    `X-Room-Rev`.

    To ask whether a page is still the same, send its `ETag` in `If-None-Match`: the answer is then 304 without a body.
    """
    if changed_after is not None:
        changed = await history.changed_messages(room, user, changed_after, limit)
        response.headers[REV_HEADER] = str(changed.rev)
        return [message_out(changed.room, changed.epoch, message) for message in changed.messages]
    if thread is None or around is not None:
        query = requested_page(limit, offset=offset, before=before, after=after, around=around)
        return PageResponse(await pages.page(room, user, query), [value.encode("latin-1") for value in if_none_match])
    page = await history.messages(room, user, PageSpan(limit, after=after, before=before, thread=thread))
    response.headers[REV_HEADER] = str(page.rev)
    oldest_first = [message_out(page.room, page.epoch, message) for message in page.messages]
    return oldest_first if after is not None else oldest_first[::-1]


def page_route() -> APIRoute:
    """The route of `messages`."""
    return next(route for route in router.routes if isinstance(route, APIRoute) and route.endpoint is messages)


@router.post(
    "/messages",
    status_code=201,
    response_model_exclude_defaults=True,
    responses=refusals(
        *NAMING_A_ROOM,
        Code.CONTENT_EMPTY,
        Code.CONTENT_TOO_LONG,
        Code.CONTENT_FORBIDDEN,
        Code.KEY_INVALID,
        Code.KEY_REUSED,
        Code.MESSAGE_UNKNOWN,
        Code.FILE_UNKNOWN,
        Code.TOO_MANY_FILES,
        Code.DIRECT_REFUSED,
        Code.USER_UNKNOWN,
        Code.ENCRYPTION_OFF,
        *ENCRYPTED,
    ),
)
async def send(new: NewMessage, user: CurrentUser, history: History) -> MessageOut:
    """Send a message to a room that you are in. A retry with the same `key` returns the message as it is now.

    A direct conversation that is not encrypted, such as `@ada+bob`, is made by its first message. An encrypted room
    takes envelopes only, which the program `chatterbox` makes.
    """
    info, message = await history.send(
        new.room,
        user,
        new.content,
        key=new.key or "",
        reply_to=new.reply_to or 0,
        files=new.files,
        recipients=new.recipients or 0,
    )
    return message_out(info.room, info.epoch, message)


@router.put(
    "/rooms/{room}/messages/{offset}",
    response_model_exclude_defaults=True,
    responses=refusals(
        *NAMING_A_ROOM,
        Code.MESSAGE_UNKNOWN,
        Code.MESSAGE_DELETED,
        Code.NOT_YOURS,
        Code.DIRECT_REFUSED,
        Code.TOO_LATE,
        Code.CHANGED_MEANWHILE,
        Code.CONTENT_EMPTY,
        Code.CONTENT_TOO_LONG,
        Code.CONTENT_FORBIDDEN,
        *ENCRYPTED,
    ),
)
async def edit(room: RoomPath, offset: OffsetPath, new: NewText, user: CurrentUser, history: History) -> MessageOut:
    """Replace the text of a message that you sent. The earlier text is not kept."""
    info, message = await history.edit(room, user, offset, new.content, rev=new.rev, recipients=new.recipients or 0)
    return message_out(info.room, info.epoch, message)


@router.delete(
    "/rooms/{room}/messages/{offset}",
    status_code=204,
    responses=refusals(*NAMING_A_ROOM, Code.MESSAGE_UNKNOWN, Code.NOT_ALLOWED),
)
async def delete(room: RoomPath, offset: OffsetPath, user: CurrentUser, history: History) -> Response:
    """Erase a message: one of yours, or any in a room that you created. Its place in the room stays."""
    await history.delete_message(room, user, offset)
    return Response(status_code=204)


def reaction_out(reaction: Reaction) -> ReactionOut:
    """A reaction as the public API shows it."""
    return ReactionOut(emoji=reaction.emoji, n=reaction.n, by=list(reaction.by), envelope=reaction.envelope)


def message_out(room: str, epoch: str, message: StoredMessage) -> MessageOut:
    """A message as the public API shows it."""
    plain = MessageOut(
        id=message.message_id,
        room=room,
        epoch=epoch,
        offset=message.offset,
        username=message.username,
        content=message.content,
        timestamp=text_rules.timestamp(message.timestamp_ms),
    )
    if stored_message.is_plain(message):
        return plain
    told = stored_message.frame(room, epoch, message)
    return plain.model_copy(
        update={
            "rev": told.rev,
            "reply_to": told.reply_to,
            "thread": told.thread,
            "replies": told.replies,
            "mentions": list(told.mentions),
            "edited": told.edited,
            "deleted": told.deleted,
            "by": told.by,
            "reactions": list(map(reaction_out, told.reactions)),
            "pinned": told.pinned,
            "files": [MessageFileOut(**msgspec.structs.asdict(each)) for each in told.files],
        }
    )
