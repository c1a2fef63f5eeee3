"""A thread as a room within its room: the message that began it, its replies, and what is on its way there. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from msgspec import UNSET

from chatterbox.wire.frames import Message, Page, ReadHistory
from client.core.outbox_entry import OutboxEntry
from client.screen.model.message_log import MessageLog
from client.screen.model.messages.own_reactions import OwnReactions
from client.screen.model.rooms.room_notices import RoomNotices
from client.screen.model.scroll_position import BlockKey

PAGE = 100
"""Replies requested at once."""


class ThreadLog(MessageLog):
    """The loaded messages of a thread. What the room has between them belongs to no gap."""

    def __init__(self, epoch: str = "") -> None:
        super().__init__(epoch)
        self._older = 0

    def set_older(self, replies: int) -> None:
        """Set how many replies are still to be loaded, all of them before the first loaded one."""
        self._older = replies

    def forget_before(self, offset: int, *, keep: int) -> None:
        """Drop what comes before `offset`, except the message at `keep`."""
        dropped = [each for each in self.offsets[: self.index_at(offset)] if each != keep]
        self.drop(dropped)

    @property
    def complete(self) -> bool:
        """Nothing comes before the message that began the thread: what is to load is a gap after it."""
        return True

    def gap_before(self, index: int) -> int:
        return self._older if index == 1 else 0


@dataclass
class ThreadModel:
    """State of the thread that the message at offset `root` of a room began, while it is open.

    `name` is the room's. The other fields are those of a room that the timeline draws.
    """

    name: str
    root: int
    log: ThreadLog
    own_reactions: OwnReactions = field(default_factory=OwnReactions)
    came_from: tuple[BlockKey, int] | None = None
    """Where the room was scrolled to when the thread was opened; None: it followed the newest message."""
    notices: RoomNotices = field(default_factory=RoomNotices)
    outbox: tuple[OutboxEntry, ...] = ()
    in_flight: bool = False
    acked: dict[int, OutboxEntry] = field(default_factory=dict)
    unread_line: None = None
    is_loaded: bool = False
    """Whether the newest replies were requested and came."""
    _has_older: bool = False
    """Whether the server has replies before the first one here."""

    @property
    def beginning(self) -> Message | None:
        """The message that began the thread, if it is loaded."""
        return self.log.get(self.root)

    @property
    def first_reply(self) -> int | None:
        """The offset of the first loaded reply."""
        return next((offset for offset in self.log.offsets[:2] if offset != self.root), None)

    def belongs(self, message: Message) -> bool:
        """Whether a message of the room is part of the thread."""
        return self.root in {message.at.offset, message.thread}

    def add_loaded(self, messages: Sequence[Message]) -> None:
        """Begin with what the room has loaded: its messages without a gap between them, and the beginning."""
        self.log.add(message for message in messages if self.belongs(message))
        beginning = self.beginning
        replies = len(self.log) - (beginning is not None)
        self._has_older = beginning is None or beginning.replies > replies
        self._count_older()

    def add(self, messages: Sequence[Message]) -> None:
        """Add the next messages of the room, and pages that may have the beginning, as far as they belong here."""
        self.log.add(message for message in messages if self.belongs(message))
        self._count_older()

    def replace(self, message: Message) -> Message | None:
        """Replace a message by a later state of it; return the earlier one, None if nothing was replaced."""
        held = self.log.replace(message)
        self._count_older()
        return held

    def answers(self, request: ReadHistory) -> bool:
        """Whether the reply to `request` is for this thread."""
        return request.room == self.name and request.thread == self.root

    def receive_page(self, request: ReadHistory, page: Page) -> None:
        """Take a page of replies: the newest ones, or those before the first one here."""
        if page.messages and page.messages[0].at.epoch != self.log.epoch:
            return
        first = self.first_reply
        if request.before is None:
            self.is_loaded = True
            if page.more and (first is None or first < page.messages[0].at.offset):
                self.log.forget_before(page.messages[0].at.offset, keep=self.root)
        elif request.before != first:
            return  # of a thread that was opened before
        self._has_older = page.more
        self.log.add(page.messages)
        self._count_older()

    def missing(self, keys: Sequence[BlockKey]) -> list[ReadHistory]:
        """Return the requests for what is missing while these blocks are on the screen."""
        wanted = [] if self.beginning is not None else [ReadHistory(id=0, room=self.name, around=self.root, limit=1)]
        if not self.is_loaded:
            return [*wanted, ReadHistory(id=0, room=self.name, thread=self.root, limit=PAGE)]
        first = self.first_reply
        if self._has_older and first is not None and any(key.is_message and key.number == first for key in keys):
            wanted.append(ReadHistory(id=0, room=self.name, thread=self.root, before=first, limit=PAGE))
        return wanted

    def set_outgoing(self, outbox: Sequence[OutboxEntry], acked: Mapping[int, OutboxEntry], *, in_flight: bool) -> None:
        """Take over the room's outgoing messages, as far as they go to this thread."""
        self.outbox = tuple(entry for entry in outbox if self._is_answered_by(entry))
        self.in_flight = in_flight and self.outbox[:1] == tuple(outbox[:1])
        self.acked = {at: entry for at, entry in acked.items() if self._is_answered_by(entry)}

    def add_notice(self, text: str) -> None:
        """Show a line of the client's own below the last message, unless the last one is equal."""
        self.notices.add(text, last=self.log.last)

    def _is_answered_by(self, entry: OutboxEntry) -> bool:
        return entry.reply_to != 0 and (entry.reply_to == self.root or entry.reply_to in self.log)

    def _count_older(self) -> None:
        beginning = self.beginning
        replies = len(self.log) - (beginning is not None)
        known = beginning.replies - replies if beginning is not None else 0
        self.log.set_older(max(1, known) if self._has_older else 0)


def is_of_thread(request: ReadHistory) -> bool:
    """Whether a request asks for the replies of a thread."""
    return request.thread is not UNSET
