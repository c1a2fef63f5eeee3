"""Pages of messages: which ones are meant, the messages themselves, and how gateways get them. Pure."""

from typing import NamedTuple

import msgspec

from chatterbox.wire.codec import encode
from chatterbox.wire.history_api import StoredChange, StoredChanges, StoredPage
from services.history.core.stored_message import StoredMessage, frame

MAX_INTEGER = 2**53 - 1
"""The largest offset or id: the largest integer that every JSON parser keeps exactly."""


class MessagePage(NamedTuple):
    """Messages of a room, oldest first: consecutive ones, or those of a thread, or pinned ones.

    `first` is the first one's offset, also of an empty page of consecutive ones.
    """

    room: str
    epoch: str
    head: int
    first: int
    topic: str
    messages: list[StoredMessage]
    rev: int = 0
    """The room's rev, as of which the messages are."""
    more: bool = False
    """Whether a thread, or pinned messages, have more in the direction of reading."""


class ChangedMessages(NamedTuple):
    """Messages of a room that changed, by rev: everything up to rev `through`; `rev` is the room's."""

    room: str
    epoch: str
    head: int
    rev: int
    through: int
    messages: list[StoredMessage]


class PageSpan(NamedTuple):
    """Which messages to read: those after offset `after`, or (None) the newest; in both cases only below `before`.

    `skip` leaves out that many messages at the end from which the page is read.
    """

    limit: int
    after: int | None = None
    before: int | None = None
    skip: int = 0
    thread: int | None = None
    """Only the replies in the thread that this offset began, without `skip`."""
    pinned: bool = False
    """Only pinned messages, without `skip`."""


def around(offset: int, limit: int) -> PageSpan:
    """The page of `limit` messages that has `offset` in the middle, or is the first or last one."""
    before = limit // 2
    return PageSpan(limit, after=0) if offset <= before else PageSpan(limit, before=offset + limit - before)


def to_stored_page(page: MessagePage) -> StoredPage:
    """The page for a gateway: encoded frames, which it forwards without decoding."""
    return StoredPage(
        epoch=page.epoch,
        head=page.head,
        first=page.first,
        frames=[msgspec.Raw(encode(frame(page.room, page.epoch, message))) for message in page.messages],
        topic=page.topic,
        rev=page.rev,
        revs={message.offset: message.rev for message in page.messages if message.rev},
        more=page.more,
    )


def to_stored_changes(page: ChangedMessages) -> StoredChanges:
    """The same of changes."""
    return StoredChanges(
        epoch=page.epoch,
        head=page.head,
        rev=page.rev,
        through=page.through,
        changes=[
            StoredChange(message.offset, message.rev, msgspec.Raw(encode(frame(page.room, page.epoch, message))))
            for message in page.messages
        ],
    )
