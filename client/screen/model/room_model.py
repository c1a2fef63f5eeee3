"""State of one room: loaded messages, unread counts, outgoing messages, draft, notices. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import msgspec

from chatterbox.wire.frames import Message, Page, ReadHistory, RoomState
from chatterbox.wire.read_state import MOST_TOLD, ReadState
from client.core.direct_rooms import is_direct
from client.core.outbox_entry import OutboxEntry
from client.screen.input.pasted_text import clean
from client.screen.model.input_history import InputHistory
from client.screen.model.message_log import MessageLog
from client.screen.model.messages.compose_mode import ComposeMode, Editing, EditingUnsent, Replying
from client.screen.model.messages.links import is_mentioned
from client.screen.model.messages.own_reactions import OwnReactions
from client.screen.model.messages.thread_model import ThreadLog, ThreadModel
from client.screen.model.scroll_position import BlockKey
from client.screen.model.totals import Totals
from client.screen.model.unread import ReadMarker

NOTICES_LIMIT = 200
ACTIVE_LIMIT = 1_000
"""People remembered as active in a room; the least recent are dropped first."""
KEPT_WHEN_CLOSED = 2_000
"""Messages kept of a room that is not open."""
SAVED_MESSAGES = 60
"""Newest messages saved of a busy room, so that there is something to read while offline."""
SAVED_HISTORY = 100
"""Newest texts of the input history saved of a room."""

PageKey: TypeAlias = tuple[str, int]
"""A requested page: `before`, `after`, `around` or a thread, and an offset; offset 0 before is the newest page."""


class SavedRoom(msgspec.Struct, omit_defaults=True):
    """What is kept of a room between runs."""

    member: bool = True
    private: bool = False
    topic: str = ""
    epoch: str = ""
    read: int = 0
    turn: int = 0
    """The turn of `read`, as the server numbers them."""
    rev: int = 0
    """Changes up to this rev of the room are in `messages`."""
    draft: str = ""
    written: list[str] = []
    messages: list[Message] = []
    thread_drafts: dict[int, str] = {}


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

    rev: int = 0
    """Changes up to this rev of the room are in the log."""
    head: int = 0
    """Offset of the newest message at connect. Messages up to it are loaded once the room is open."""
    marker: ReadMarker = field(default_factory=ReadMarker)
    turn: int = 0
    """The turn of the marker: of two markers, the one of the later turn counts. Marking as unread begins a turn."""
    told: ReadState | None = None
    """The user's state of the room as the server told it; None: it can't tell."""
    keeps_unread: bool = False
    """Whether what is drawn stays unread, because the user marked it so, until they come back to the room."""
    totals: Totals = field(default_factory=Totals)
    """The sums over all rooms, of which this one's counts are part."""
    unread_line: int | None = None
    """The unread line is drawn after this offset."""
    unread: int = 0
    mentions: int = 0
    catch_up_remaining: int = 0
    """Messages missed while offline that are still to come."""
    catch_up_total: int = 0
    """Messages missed while offline."""

    active: dict[str, str] = field(default_factory=dict)
    """Username to the timestamp of the last message seen from this person, least recent first."""
    notices: dict[int, list[str]] = field(default_factory=dict)
    """The client's own lines, by the offset of the message above them."""
    draft: str = ""
    history: InputHistory = field(default_factory=InputHistory)
    mode: ComposeMode | None = None
    """What the input is for; None: a new message."""
    edits_sent: dict[int, str] = field(default_factory=dict)
    """Edits without a reply: offset, and the text that the user saw before."""
    own_reactions: OwnReactions = field(default_factory=OwnReactions)
    """The user's reactions, where the messages do not tell."""
    thread: ThreadModel | None = None
    """The thread that is open; the input is for it."""
    thread_drafts: dict[int, str] = field(default_factory=dict)
    """Unfinished replies in threads that are not open, by the offset of the message that began the thread."""
    _room_draft: str = ""
    """The draft of the room while the input is for a thread."""
    _put_aside: str = ""
    """The draft while the input is for an edit."""
    _line_is_current: bool = False
    """Whether the unread line marks what is unread now, not what was read since it was drawn."""
    _counts_are_stale: bool = False
    """Whether unread messages must be recounted, after a page or a gap."""
    _requested_pages: set[PageKey] = field(default_factory=set)
    """Pages without a reply."""
    _refused_pages: set[PageKey] = field(default_factory=set)
    """Pages that the server refused. They are requested again after the next scroll."""

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
        if not self.log.epoch:
            self.marker.set_read(message.at.offset - 1)  # messages from before the user knew the room are not news
        self._counts_are_stale = self._counts_are_stale or message.at.offset > self.log.last + 1
        if not self.log:
            self._anchor_notices(message.at.offset - 1)
        self.log.add([message])
        if self.thread is not None:
            self.thread.add([message])
        self._drop_acked()
        self._add_active([message])
        self._set_catch_up(max(0, self.catch_up_remaining - 1))
        if mine and not self.unread:
            self.marker.set_read(message.at.offset)
        elif not mine:
            if message.at.offset > self.head:  # the others are counted already, as messages that are not loaded
                self._set_counts(self.unread + 1, self.mentions + self._mentions(message, me))
            if not visible:
                self.place_unread_line(me)
        if message.at.offset == self.head:
            self.recount(me)

    def add_page(
        self,
        messages: Sequence[Message],
        *,
        before: int | None = None,
        after: int | None = None,
        begins: bool = False,
    ) -> None:
        """Add a page of history: the messages before an offset, the newest ones, or those after an offset."""
        was_empty, self._counts_are_stale = not self.log, True
        for message in messages:
            self._replace(message)
        self.log.add_page(list(messages), before=before, after=after, begins=begins)
        if self.thread is not None and self.thread.beginning is None:
            self.thread.add([message for message in messages if message.at.offset == self.thread.root])
        if was_empty and messages:
            self._anchor_notices(self.log.last)
        self._drop_acked()
        self._add_active(messages, older=True)

    def change_message(self, message: Message, me: str) -> Message | None:
        """Replace a message by a later state of it; return the earlier one, None if nothing was replaced.

        An unread message can mention the user now, or no longer.
        """
        held = self._replace(message)
        is_unread = message.at.offset in self.log and not self.marker.is_read(message.at.offset)
        if held is not None and held.username != me and is_unread:
            more = self._mentions(message, me) - self._mentions(held, me)
            self._set_counts(self.unread, max(0, self.mentions + more))
        return held

    def _follow_edited(self, message: Message) -> None:
        """Bring an edit in the input up to date with a later state of its message.

        While only marks change, it goes on. The message's own text is no draft any more once that is erased.
        """
        if not isinstance(self.mode, Editing) or self.mode.offset != message.at.offset:
            return
        if message.deleted:
            kept = "" if self.draft == self.mode.content else self.draft
            self.leave_mode()
            if kept:
                self.return_unsent(kept)
        elif clean(message.content) == self.mode.content:
            self.mode = Editing(message.at.offset, message.rev, self.mode.content)

    def _replace(self, message: Message) -> Message | None:
        """Replace a message in the log. A text of the user's own that is gone is gone from the input history, too."""
        held = self.log.replace(message)
        if self.thread is not None:
            held = self.thread.replace(message) or held
        if held is not None:
            self.totals.count_replaced()
            self._follow_edited(message)
            if held.content != message.content and self.history.forget(held.content):
                self.totals.count_forgotten()
        return held

    def _mentions(self, message: Message, me: str) -> bool:
        """Whether a message is meant for the user; in a direct conversation, each one is."""
        return is_direct(self.name) or is_mentioned(
            me, message, self.log.get(message.reply_to) if message.reply_to else None
        )

    def resume(self, state: RoomState, me: str, *, is_new: bool = False) -> None:
        """Compare the saved read marker with the room's state at connect.

        A room that was never open begins as the server tells. If it can't tell, it begins as read, unless `is_new`: it
        was made since the last run of this client.
        """
        was_known = bool(self.log.epoch) or is_new
        self.log.set_epoch(state.at.epoch)
        self.head = state.head
        if not was_known:
            self.begin(state.head, state.read if is_told(state) else state.head, state.turn)
        elif state.head > self.marker.read:
            self.recount(me)
            self.place_unread_line(me)

    def begin(self, head: int, read: int, turn: int = 0) -> None:
        """The user is in a room that this client has not seen: it has messages up to `head`, read ones up to `read`."""
        self.head, self.turn, self.marker = head, turn, ReadMarker(read)

    def is_outdated(self, state: RoomState) -> bool:
        """Whether the server has another history than the one that is loaded or saved here."""
        return self.log.epoch not in ("", state.at.epoch) or max(self.marker.read, self.log.last) > state.head

    def reset(self, epoch: str = "", read: int = 0) -> None:
        """Drop the messages, because the server has another history; the draft, outbox and notices stay."""
        notices = [text for offset in sorted(self.notices) for text in self.notices[offset]]
        self.log, self.acked, self.marker = MessageLog(epoch), {}, ReadMarker(read)
        self.hide_unread_line()
        self.rev = self.head = self.turn = 0
        self.told, self.keeps_unread = None, False
        self._set_counts(0, 0)
        self._set_catch_up(0)
        self.edits_sent, self.own_reactions = {}, OwnReactions()
        self._end_mode()
        self.close_thread()
        self.notices = {0: notices} if notices else {}
        self.forget_page_requests()

    def close(self, me: str) -> None:
        """Another room is open now: drop all but the newest messages."""
        self.close_thread()
        self.keeps_unread = False
        if self.unread:
            self.place_unread_line(me)
        else:
            self.hide_unread_line()
        self.log.trim(KEPT_WHEN_CLOSED)

    def set_rev(self, rev: int) -> None:
        """Changes up to this rev of the room are in the log."""
        self.rev = rev

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

    # What is read.

    def place_unread_line(self, me: str) -> None:
        """Draw the unread line above the first unread message. It stays there while the user reads on."""
        if not self._line_is_current:
            self.unread_line, self._line_is_current = self.marker.read, True
            self._move_unread_line(me)

    def hide_unread_line(self) -> None:
        self.unread_line, self._line_is_current = None, False

    def _move_unread_line(self, me: str) -> None:
        """The user's own messages are never unread: move the line down to another person's message, or hide it."""
        if self.unread_line is None:
            return
        while self.unread_line + 1 in self.log and self.log[self.unread_line + 1].username == me:
            self.unread_line += 1
        if not self.unread and self.unread_line >= max(self.log.last, self.head):
            self.hide_unread_line()

    def mark_drawn(self, offsets: Sequence[int], me: str) -> None:
        """Mark messages, in order, as read because they are on a focused screen; none if it is not focused."""
        if self.keeps_unread:
            return
        fresh = self.marker.mark_drawn(self.log, offsets)
        if self.unread and (fresh is None or self._counts_are_stale):
            self.recount(me)
        elif self.unread and fresh:
            others = [self.log[offset] for offset in fresh if self.log[offset].username != me]
            mentions = sum(self._mentions(message, me) for message in others)
            self._set_counts(max(0, self.unread - len(others)), max(0, self.mentions - mentions))
        if self.unread:
            self.place_unread_line(me)
        elif offsets:
            self._line_is_current = False

    def recount(self, me: str) -> None:
        """Count the unread messages and mentions again, those that are not loaded by the server's counts."""
        messages, missing = self.marker.unread(self.log, self.head)
        others = [message for message in messages if message.username != me]
        unread, mentions = missing + len(others), sum(self._mentions(message, me) for message in others)
        if missing and self.told is not None and (self.told.turn, self.told.counted > 0) == (self.turn, True):
            unread, mentions = self._counted_on(self.told, others, unread, mentions, me)
        self._set_counts(unread, mentions)
        self._counts_are_stale = False
        self._move_unread_line(me)

    def _counted_on(
        self, told: ReadState, others: Sequence[Message], most: int, mentions: int, me: str
    ) -> tuple[int, int]:
        """Count on from the server's counts. `others`: loaded unread messages; `mentions`: those of them that mention.

        `most`: how many are unread if none of those that are not loaded is the user's own.
        """
        if told.read > self.marker.read:
            return most, mentions
        later = [message for message in others if message.at.offset > told.counted]
        offsets = self.log.offsets[self.log.index_at(told.read + 1) : self.log.index_at(told.counted + 1)]
        read = [self.log[offset] for offset in offsets if self.marker.is_read(offset)]
        read = [message for message in read if message.username != me]
        more = sum(self._mentions(message, me) for message in later)
        more -= sum(self._mentions(message, me) for message in read)
        unread = most if told.unread >= MOST_TOLD else told.unread + len(later) - len(read)
        return min(most, max(len(others), unread)), max(mentions, told.mentions + more)

    def _set_counts(self, unread: int, mentions: int) -> None:
        self.totals.add_unread(unread - self.unread)
        self.unread, self.mentions = unread, mentions

    def mark_all_read(self) -> None:
        self.marker = ReadMarker(max(self.marker.read, self.log.last, self.head))
        self.keeps_unread = False
        self._set_counts(0, 0)
        self.hide_unread_line()

    def mark_unread(self, offset: int, me: str) -> None:
        """The user wants to read the message at `offset` and those after it later."""
        self.turn, self.marker, self.keeps_unread = self.turn + 1, ReadMarker(offset - 1), True
        self.recount(me)
        self.hide_unread_line()
        self.place_unread_line(me)

    def stop_keeping_unread(self) -> None:
        """The user goes on in this room: what is drawn is read again."""
        self.keeps_unread = False

    @property
    def read_mark(self) -> tuple[int, int]:
        """Turn and offset up to which the room is read, for comparison with other devices."""
        return self.turn, self.marker.read

    def take_told(self, told: ReadState, me: str, *, is_open: bool) -> None:
        """Take the user's state of the room from the server. A greater read mark, of another device, counts here, too.

        A message that was marked as unread there stays so, even if it is on the screen here (`is_open`).
        """
        self.told = told
        if not self.log:
            self.head = max(self.head, told.counted)
        is_news = (told.turn, told.read) > self.read_mark
        if is_news:
            self.keeps_unread = is_open and told.read < self.marker.read
            if told.turn > self.turn:
                self.turn, self.marker = told.turn, ReadMarker(told.read)
            else:
                self.marker.set_read(told.read)
        self.recount(me)
        if is_news and (self.keeps_unread or not is_open):
            self.hide_unread_line()
            if self.unread:
                self.place_unread_line(me)

    # Pages of history.

    def request_page(self, key: PageKey) -> bool:
        """Note that a page is requested; False if it is requested already and has no reply."""
        if key in self._requested_pages:
            return False
        self._requested_pages.add(key)
        return True

    def receive_page(self, request: ReadHistory, page: Page, me: str) -> bool:
        """Add the reply to `request`; False if it belongs to another history than the one that is loaded."""
        if page.messages and self.log.epoch not in ("", page.messages[0].at.epoch):
            return False
        self._requested_pages.discard(page_key(request))
        is_around = request.around is not msgspec.UNSET
        begins = not page.more and request.after is None and not is_around
        self.add_page(page.messages, before=request.before, after=request.after, begins=begins)
        if request.before is None and request.after is None and not is_around:
            self.head = min(self.head, self.log.last)  # the newest page is authoritative: nothing is newer
        self.recount(me)
        return True

    def refuse_page(self, request: ReadHistory) -> None:
        self._refused_pages.add(page_key(request))

    def retry_refused_pages(self) -> None:
        """Let refused pages be requested again."""
        self._requested_pages -= self._refused_pages
        self._refused_pages.clear()

    def forget_page_requests(self) -> None:
        """Forget the pages requested on a lost connection: they are not answered any more."""
        self._requested_pages.clear()
        self._refused_pages.clear()

    # Threads.

    def held(self, offset: int) -> Message | None:
        """The message at `offset`, if it is loaded in the room or in the open thread."""
        return self.log.get(offset) or (self.thread.log.get(offset) if self.thread is not None else None)

    @property
    def first_held(self) -> int | None:
        """The offset of the first message that is loaded in the room or in the open thread."""
        firsts = (self.log.first, self.thread.log.first if self.thread is not None else None)
        return min((first for first in firsts if first is not None), default=None)

    def open_thread(self, root: int, came_from: tuple[BlockKey, int] | None) -> None:
        """Show the thread that the message at `root` began, and write to it."""
        self.close_thread()
        self.leave_mode()
        self.history.leave()
        thread = ThreadModel(self.name, root, ThreadLog(self.log.epoch), self.own_reactions, came_from)
        self.thread = thread
        beginning, first = self.log.get(root), self.log.unbroken_from or 0
        loaded = [self.log[offset] for offset in self.log.offsets[self.log.index_at(first) :]]
        thread.add_loaded(loaded if beginning is None else [beginning, *loaded])
        self._pass_outgoing()
        self._room_draft, self.draft = self.draft, self.thread_drafts.pop(root, "")

    def close_thread(self) -> None:
        """Show the room again. An unfinished reply is kept for the next time."""
        if self.thread is None:
            return
        self.leave_mode()
        self.history.leave()
        if self.draft:
            self.thread_drafts[self.thread.root] = self.draft
        self.thread, self.draft, self._room_draft = None, self._room_draft, ""

    def receive_replies(self, request: ReadHistory, page: Page) -> None:
        """Add a page of replies to the open thread."""
        self._requested_pages.discard(page_key(request))
        for message in page.messages:
            self._replace(message)
        if self.thread is not None and self.thread.answers(request):
            self.thread.receive_page(request, page)
            self._pass_outgoing()

    def mark_drawn_in_thread(self, offsets: Sequence[int], me: str) -> None:
        """Mark messages of the thread as read that nothing unread comes before."""
        for offset in offsets:
            if not self.marker.is_read(offset):
                if offset not in self.log or self.marker.is_apart(self.log, offset):
                    break
                self.mark_drawn([offset], me)

    def _pass_outgoing(self) -> None:
        if self.thread is not None:
            self.thread.set_outgoing(self.outbox, self.acked, in_flight=self.in_flight)

    # The user's own messages and texts.

    def set_outbox(self, entries: tuple[OutboxEntry, ...], *, in_flight: bool) -> None:
        self.outbox, self.in_flight = entries, in_flight
        self._pass_outgoing()

    def add_acked(self, entry: OutboxEntry, offset: int) -> None:
        """The server stored `entry` at `offset`; show it as stored until the log reaches that offset.

        An edit of the unsent message goes on as an edit of the stored one.
        """
        self.acked[offset] = entry
        if self.mode == EditingUnsent(entry.key, entry.content):
            self.mode = Editing(offset, 0, entry.content)
        self._drop_acked()

    def _drop_acked(self) -> None:
        self.acked = {offset: entry for offset, entry in self.acked.items() if offset > self.log.last}
        self._pass_outgoing()

    def set_draft(self, text: str) -> None:
        self.draft = text

    def begin_edit(self, mode: Editing | EditingUnsent, text: str) -> None:
        """Put the text of a message into the input; what is in it comes back after the edit."""
        self.leave_mode()
        self._put_aside, self.mode, self.draft = self.draft, mode, text

    def begin_reply(self, mode: Replying) -> None:
        """Answer a message with what is in the input."""
        self.leave_mode()
        self.mode = mode

    def leave_mode(self) -> None:
        """Leave an edit or a reply. A reply keeps its text, as a message of its own."""
        if isinstance(self.mode, Editing | EditingUnsent):
            self.draft, self._put_aside = self._put_aside, ""
        self.mode = None

    def _end_mode(self) -> None:
        """The messages that the input is about are gone: keep its text, as that of a new message."""
        text = self.draft if isinstance(self.mode, Editing) else ""
        self.leave_mode()
        if text:
            self.return_unsent(text)

    def finish_edit(self, offset: int) -> None:
        """The server stored an edit."""
        self.edits_sent.pop(offset, None)

    def return_unsent(self, content: str) -> None:
        """Put a text that was refused back into the input, above a newer draft."""
        self.leave_mode()
        self.draft = f"{content}\n{self.draft}" if self.draft else content

    # Notices.

    def add_notice(self, text: str) -> None:
        """Show a line of the client's own below the last message, unless the last one is equal; `text` is inert."""
        if self.thread is not None:
            self.thread.add_notice(text)
        here = self.notices.setdefault(self.log.last, [])
        if here[-1:] == [text]:
            return
        here.append(text)
        while sum(map(len, self.notices.values())) > NOTICES_LIMIT:
            first = min(self.notices)
            del self.notices[first][0]
            if not self.notices[first]:
                del self.notices[first]

    def _anchor_notices(self, offset: int) -> None:
        """Move notices that were shown before any message was loaded below the message at `offset`."""
        if waiting := self.notices.pop(0, []):
            self.notices[offset] = waiting

    # Between runs.

    def save(self, *, with_messages: bool) -> SavedRoom:
        unfinished, written = self.history.unfinished, self.history.texts
        if isinstance(self.mode, Editing | EditingUnsent):
            unfinished, written = self._put_aside, [*written, self.draft]  # the next run finds the text with Up
        draft, thread_drafts = self.draft if unfinished is None else unfinished, dict(self.thread_drafts)
        if self.thread is not None:
            thread_drafts[self.thread.root], draft = draft, self._room_draft
        return SavedRoom(
            self.member,
            self.private,
            self.topic,
            self.log.epoch,
            self.marker.read,
            self.turn,
            self.rev,
            draft,
            written[-SAVED_HISTORY:],
            [self.log[offset] for offset in self.log.offsets[-SAVED_MESSAGES:]]
            if with_messages and self.member
            else [],
            {root: text for root, text in thread_drafts.items() if text},
        )

    def restore(self, saved: SavedRoom, me: str) -> None:
        """Take over what was saved by an earlier run."""
        self.member, self.private, self.topic = saved.member, saved.private, saved.topic
        self.draft, self.history = saved.draft, InputHistory(saved.written)
        self.thread_drafts = dict(saved.thread_drafts)
        self.log.add(saved.messages)
        self.rev = saved.rev
        self._add_active(saved.messages)
        self.log.set_epoch(saved.epoch)
        self.marker.set_read(saved.read)
        self.turn = saved.turn
        self.recount(me)
        if self.unread:
            self.place_unread_line(me)


def is_told(state: RoomState) -> bool:
    """Whether the server tells how far the user has read a room."""
    return bool(state.counted) or not state.head


def page_key(request: ReadHistory) -> PageKey:
    if request.thread is not msgspec.UNSET:
        return (f"thread {request.thread}", request.before or 0)
    if request.around is not msgspec.UNSET:
        return ("around", request.around)
    return ("after", request.after) if request.after is not None else ("before", request.before or 0)
