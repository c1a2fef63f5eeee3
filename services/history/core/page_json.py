"""Encodes pages as the public API returns them, with their ETag. Pure."""

from typing import NamedTuple

import msgspec

from chatterbox import __version__
from chatterbox.wire import text_rules
from chatterbox.wire.codec import encode
from chatterbox.wire.frames import AttachedFile, Reaction
from services.history.core import message_page, stored_message
from services.history.core.message_page import MAX_INTEGER, MessagePage, PageSpan
from services.history.core.page_cache import EncodedPage
from services.history.core.stored_message import StoredMessage


class RequestedPage(NamedTuple):
    """Which page of a room, and its order."""

    span: PageSpan
    is_oldest_first: bool = False


def requested_page(
    limit: int, *, offset: int = 0, before: int | None = None, after: int | None = None, around: int | None = None
) -> RequestedPage:
    """The page that these parameters of `GET /messages` ask for."""
    span = PageSpan(limit, after=after, before=before, skip=offset)
    return RequestedPage(span if around is None else message_page.around(around, limit), after is not None)


class PublicMessage(msgspec.Struct, frozen=True, omit_defaults=True):
    """A message as the public API returns it; `message_routes.MessageOut` documents it, with the same fields."""

    id: int
    room: str
    epoch: str
    offset: int
    username: str
    content: str
    timestamp: str
    rev: int = 0
    reply_to: int = 0
    thread: int = 0
    replies: int = 0
    mentions: tuple[str, ...] = ()
    edited: str = ""
    deleted: bool = False
    by: str = ""
    reactions: tuple[Reaction, ...] = ()
    pinned: bool = False
    files: tuple[AttachedFile, ...] = ()


def encoded_page(page: MessagePage, requested: RequestedPage) -> EncodedPage:
    """The page as it is sent.

    Its ETag names what the body depends on besides the address: the version of the server, since a newer one may tell
    more of a message, the room's epoch and rev, and the range of offsets.
    """
    messages = [_public(page.room, page.epoch, message) for message in page.messages]
    if not requested.is_oldest_first:
        messages.reverse()
    last = page.first + len(messages) - 1
    return EncodedPage(
        body=encode(messages),
        etag=f'"{__version__}-{page.epoch}-{page.rev}-{page.first}-{last}"'.encode(),
        rev=str(page.rev).encode(),
        is_closed=_end(requested.span) <= page.head,
    )


def _end(span: PageSpan) -> int:
    """The last offset that a page may have; it stays the same when messages are appended after it."""
    before = MAX_INTEGER if span.before is None else span.before
    return before - 1 if span.after is None else min(before - 1, span.after + span.skip + span.limit)


def _public(room: str, epoch: str, message: StoredMessage) -> PublicMessage:
    timestamp = text_rules.timestamp(message.timestamp_ms)
    if stored_message.is_plain(message):
        return PublicMessage(
            message.message_id, room, epoch, message.offset, message.username, message.content, timestamp
        )
    told = stored_message.frame(room, epoch, message)
    return PublicMessage(
        message.message_id,
        room,
        epoch,
        message.offset,
        message.username,
        message.content,
        timestamp,
        told.rev,
        told.reply_to,
        told.thread,
        told.replies,
        told.mentions,
        told.edited,
        told.deleted,
        told.by,
        told.reactions,
        told.pinned,
        told.files,
    )
