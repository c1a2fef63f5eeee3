"""State of one room: loaded messages, what is read, outgoing messages, input, open thread, notices. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import msgspec

from chatterbox.wire.frames import Message, Page, ReadHistory, RoomState
from client.core.direct_rooms import is_direct
from client.core.outbox_entry import OutboxEntry
from client.screen.model.message_log import MessageLog
from client.screen.model.messages.own_reactions import OwnReactions
from client.screen.model.messages.thread_model import ThreadLog, ThreadModel
from client.screen.model.rooms.read_progress import ReadProgress
from client.screen.model.rooms.requested_pages import RequestedPages
from client.screen.model.rooms.room_input import RoomInput
from client.screen.model.rooms.room_notices import RoomNotices
from client.screen.model.rooms.saved_room import SAVED_MESSAGES, SavedRoom
from client.screen.model.rooms.totals import Totals
from client.screen.model.scroll_position import BlockKey

ACTIVE_LIMIT = 1_000
"""People remembered as active in a room; the least recent are dropped first."""
KEPT_WHEN_CLOSED = 2_000
"""Messages kept of a room that is not open."""


@dataclass
class RoomModel:
    """State of one room. `outbox` has the unsent messages, in order; `acked` the stored ones not in `log` yet."""

    name: str
    member: bool = True
    private: bool = False
    topic: str = ""
    log: MessageLog = field(default_factory=MessageLog)
    outbox: tuple[OutboxEntry, ...] = ()
    in_flight: bool = False
    """Whether the first message of `outbox` was sent and has no reply yet."""
    acked: dict[int, OutboxEntry] = field(default_factory=dict)
    totals: Totals = field(default_factory=Totals)
    """The sums over all rooms, of which this one's counts are part."""

    rev: int = 0
    """Changes up to this rev of the room are in the log."""
    catch_up_remaining: int = 0
    """Messages missed while offline that are still to come."""
    catch_up_total: int = 0
    """Messages missed while offline."""
    active: dict[str, str] = field(default_factory=dict)
    """Username to the timestamp of the last message seen from this person, least recent first."""
    own_reactions: OwnReactions = field(default_factory=OwnReactions)
    """The user's reactions, where the messages do not tell."""
    thread: ThreadModel | None = None
    """The thread that is open; the input is for it."""
    input: RoomInput = field(default_factory=RoomInput)
    notices: RoomNotices = field(default_factory=RoomNotices)
    pages: RequestedPages = field(default_factory=RequestedPages)
    progress: ReadProgress = field(init=False)

    def __post_init__(self) -> None:
        self.progress = ReadProgress(self.log, is_direct(self.name), self.totals)

    @property
    def unread(self) -> int:
        return self.progress.unread

    @property
    def mentions(self) -> int:
        return self.progress.mentions

    @property
    def unread_line(self) -> int | None:
        """The unread line is drawn after this offset."""
        return self.progress.unread_line

    # Membership and properties.

    def set_member(self, member: bool, *, private: bool | None = None) -> None:
        self.member = member
        if private is not None:
            self.private = private

    def set_private(self, private: bool) -> None:
        self.private = private

    def set_topic(self, topic: str) -> None:
        self.topic = topic

    # Messages.

    def add_message(self, message: Message, *, mine: bool, visible: bool, me: str) -> None:
        """Add the next message of the room. `visible`: it will be drawn at once, on a focused screen."""
        if message.at.epoch != self.log.epoch and self.log.epoch:
            self.reset()
        self.progress.expect(message)
        if not self.log:
            self.notices.anchor(message.at.offset - 1)
        self.log.add([message])
        if self.thread is not None:
            self.thread.add([message])
        self._drop_acked()
        self._add_active([message])
        self._set_catch_up(max(0, self.catch_up_remaining - 1))
        self.progress.count(message, mine=mine, visible=visible, me=me)

    def add_page(
        self,
        messages: Sequence[Message],
        *,
        before: int | None = None,
        after: int | None = None,
        begins: bool = False,
    ) -> None:
        """Add a page of history: the messages before an offset, the newest ones, or those after an offset."""
        was_empty = not self.log
        self.progress.distrust_counts()
        for message in messages:
            self._replace(message)
        self.log.add_page(list(messages), before=before, after=after, begins=begins)
        if self.thread is not None and self.thread.beginning is None:
            self.thread.add([message for message in messages if message.at.offset == self.thread.root])
        if was_empty and messages:
            self.notices.anchor(self.log.last)
        self._drop_acked()
        self._add_active(messages, older=True)

    def receive_page(self, request: ReadHistory, page: Page, me: str) -> bool:
        """Add the reply to `request`; False if it belongs to another history than the one that is loaded."""
        if page.messages and self.log.epoch not in ("", page.messages[0].at.epoch):
            return False
        self.pages.receive(request)
        is_around = request.around is not msgspec.UNSET
        begins = not page.more and request.after is None and not is_around
        self.add_page(page.messages, before=request.before, after=request.after, begins=begins)
        if request.before is None and request.after is None and not is_around:
            self.progress.receive_newest()
        self.progress.recount(me)
        return True

    def change_message(self, message: Message, me: str) -> Message | None:
        """Replace a message by a later state of it; return the earlier one, None if nothing was replaced."""
        held = self._replace(message)
        if held is not None:
            self.progress.recount_changed(held, message, me)
        return held

    def _replace(self, message: Message) -> Message | None:
        """Replace a message in the log. A text of the user's own that is gone is gone from the input history, too."""
        held = self.log.replace(message)
        if self.thread is not None:
            held = self.thread.replace(message) or held
        if held is not None:
            self.totals.count_replaced()
            self.input.follow_change(message)
            if held.content != message.content and self.input.history.forget(held.content):
                self.totals.count_forgotten()
        return held

    def held(self, offset: int) -> Message | None:
        """The message at `offset`, if it is loaded in the room or in the open thread."""
        return self.log.get(offset) or (self.thread.log.get(offset) if self.thread is not None else None)

    @property
    def first_held(self) -> int | None:
        """The offset of the first message that is loaded in the room or in the open thread."""
        firsts = (self.log.first, self.thread.log.first if self.thread is not None else None)
        return min((first for first in firsts if first is not None), default=None)

    def set_rev(self, rev: int) -> None:
        """Changes up to this rev of the room are in the log."""
        self.rev = rev

    def _add_active(self, messages: Iterable[Message], *, older: bool = False) -> None:
        for message in messages:
            known = self.active.get(message.username, "")
            if older and known >= message.timestamp:
                continue
            self.active.pop(message.username, None)
            self.active[message.username] = message.timestamp
        if older:
            self.active = dict(sorted(self.active.items(), key=lambda pair: pair[1]))
        while len(self.active) > ACTIVE_LIMIT:
            del self.active[next(iter(self.active))]

    # Connection and history.

    def resume(self, state: RoomState, me: str, *, is_new: bool = False) -> None:
        """Continue from the saved read marker. `is_new`: the room was made since the last run of this client."""
        was_known = bool(self.log.epoch) or is_new
        self.log.set_epoch(state.at.epoch)
        self.progress.resume(state, me, was_known=was_known)

    def is_outdated(self, state: RoomState) -> bool:
        """Whether the server has another history than the one that is loaded or saved here."""
        read = self.progress.marker.read
        return self.log.epoch not in ("", state.at.epoch) or max(read, self.log.last) > state.head

    def reset(self, epoch: str = "", read: int = 0) -> None:
        """Drop the messages, because the server has another history; the draft, outbox and notices stay."""
        self.log, self.acked = MessageLog(epoch), {}
        self.progress.reset(self.log, read)
        self.rev = 0
        self._set_catch_up(0)
        self.own_reactions = OwnReactions()
        self.input.release()
        self.close_thread()
        self.notices.release()
        self.pages.forget()

    def close(self, me: str) -> None:
        """Another room is open now: drop all but the newest messages."""
        self.close_thread()
        self.progress.close(me)
        self.log.trim(KEPT_WHEN_CLOSED)

    def begin_catch_up(self, count: int) -> None:
        self._set_catch_up(count)
        self.catch_up_total = count

    def stop_catch_up(self) -> None:
        self._set_catch_up(0)

    def _set_catch_up(self, remaining: int) -> None:
        self.totals.add_catch_up(remaining - self.catch_up_remaining)
        self.catch_up_remaining = remaining

    def finish_catch_up(self) -> None:
        """Say that everything missed is here; the status line may have shown it too briefly to be read."""
        self.stop_catch_up()
        plural = "" if self.catch_up_total == 1 else "s"
        self.add_notice(f"Caught up: {self.catch_up_total} message{plural} while you were offline.")

    # Threads.

    def open_thread(self, root: int, came_from: tuple[BlockKey, int] | None) -> None:
        """Show the thread that the message at `root` began, and write to it."""
        self.close_thread()
        thread = ThreadModel(self.name, root, ThreadLog(self.log.epoch), self.own_reactions, came_from)
        self.thread = thread
        beginning, first = self.log.get(root), self.log.unbroken_from or 0
        loaded = [self.log[offset] for offset in self.log.offsets[self.log.index_at(first) :]]
        thread.add_loaded(loaded if beginning is None else [beginning, *loaded])
        self._pass_outgoing()
        self.input.enter_thread(root)

    def close_thread(self) -> None:
        """Show the room again. An unfinished reply is kept for the next time."""
        self.thread = None
        self.input.leave_thread()

    def receive_replies(self, request: ReadHistory, page: Page) -> None:
        """Add a page of replies to the open thread."""
        self.pages.receive(request)
        for message in page.messages:
            self._replace(message)
        if self.thread is not None and self.thread.answers(request):
            self.thread.receive_page(request, page)
            self._pass_outgoing()

    # The user's own messages.

    def set_outbox(self, entries: tuple[OutboxEntry, ...], *, in_flight: bool) -> None:
        self.outbox, self.in_flight = entries, in_flight
        self._pass_outgoing()

    def add_acked(self, entry: OutboxEntry, offset: int) -> None:
        """The server stored `entry` at `offset`; show it as stored until the log reaches that offset."""
        self.acked[offset] = entry
        self.input.follow_ack(entry, offset)
        self._drop_acked()

    def _drop_acked(self) -> None:
        self.acked = {offset: entry for offset, entry in self.acked.items() if offset > self.log.last}
        self._pass_outgoing()

    def _pass_outgoing(self) -> None:
        if self.thread is not None:
            self.thread.set_outgoing(self.outbox, self.acked, in_flight=self.in_flight)

    def add_notice(self, text: str) -> None:
        """Show a line of the client's own below the last message, unless the last one is equal; `text` is inert."""
        if self.thread is not None:
            self.thread.add_notice(text)
        self.notices.add(text, last=self.log.last)

    # Between runs.

    def save(self, *, with_messages: bool, with_text: bool = True) -> SavedRoom:
        """What is kept for the next run; without `with_text`, nothing that was written or is being written here."""
        draft, written, thread_drafts = self.input.unfinished() if with_text else ("", [], {})
        newest = self.log.offsets[-SAVED_MESSAGES:] if with_messages and with_text and self.member else []
        return SavedRoom(
            self.member,
            self.private,
            self.topic,
            self.log.epoch,
            self.progress.marker.read,
            self.progress.turn,
            self.rev,
            draft,
            written,
            [self.log[offset] for offset in newest],
            thread_drafts,
        )

    def restore(self, saved: SavedRoom, me: str) -> None:
        """Take over what was saved by an earlier run."""
        self.member, self.private, self.topic = saved.member, saved.private, saved.topic
        self.input.restore(saved.draft, saved.written, saved.thread_drafts)
        self.log.add(saved.messages)
        self.rev = saved.rev
        self._add_active(saved.messages)
        self.log.set_epoch(saved.epoch)
        self.progress.restore(saved.read, saved.turn, me)
