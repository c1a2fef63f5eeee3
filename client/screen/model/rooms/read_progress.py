"""How far a room is read, how many messages are unread, and where the unread line is. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from chatterbox.wire.frames import Message, RoomState
from chatterbox.wire.read_state import MOST_TOLD, ReadState
from client.screen.model.message_log import MessageLog
from client.screen.model.messages.links import is_mentioned
from client.screen.model.rooms.read_marker import ReadMarker
from client.screen.model.rooms.totals import Totals


@dataclass
class ReadProgress:
    """Read marker, counts and unread line of a room. `log` has its loaded messages."""

    log: MessageLog
    is_direct: bool = False
    """Whether the room is a direct conversation: each message is meant for the user then."""
    totals: Totals = field(default_factory=Totals)
    """The sums over all rooms, of which this one's counts are part."""
    head: int = 0
    """Offset of the newest message at connect. Messages up to it are loaded once the room is open."""
    marker: ReadMarker = field(default_factory=ReadMarker)
    turn: int = 0
    """The turn of the marker: of two markers, the one of the later turn counts. Marking as unread begins a turn."""
    told: ReadState | None = None
    """The user's state of the room as the server told it; None: it can't tell."""
    keeps_unread: bool = False
    """Whether what is drawn stays unread, because the user marked it so, until they come back to the room."""
    unread_line: int | None = None
    """The unread line is drawn after this offset."""
    unread: int = 0
    mentions: int = 0
    _line_is_current: bool = False
    """Whether the unread line marks what is unread now, not what was read since it was drawn."""
    _counts_are_stale: bool = False
    """Whether unread messages must be recounted, after a page or a gap."""

    # Connection and history.

    def begin(self, head: int, read: int, turn: int = 0) -> None:
        """The user is in a room that this client has not seen: it has messages up to `head`, read ones up to `read`."""
        self.head, self.turn, self.marker = head, turn, ReadMarker(read)

    def resume(self, state: RoomState, me: str, *, was_known: bool) -> None:
        """Compare the read marker with the room's state at connect.

        A room that was never open begins as the server tells, or as read if it can't tell.
        """
        self.head = state.head
        if not was_known:
            self.begin(state.head, state.read if is_told(state) else state.head, state.turn)
        elif state.head > self.marker.read:
            self.recount(me)
            self.place_unread_line(me)

    def restore(self, read: int, turn: int, me: str) -> None:
        """Take over what was saved by an earlier run; the saved messages are loaded already."""
        self.marker.set_read(read)
        self.turn = turn
        self.recount(me)
        if self.unread:
            self.place_unread_line(me)

    def reset(self, log: MessageLog, read: int) -> None:
        """The server has another history, which is read up to `read`."""
        self.log, self.marker = log, ReadMarker(read)
        self.hide_unread_line()
        self.head = self.turn = 0
        self.told, self.keeps_unread = None, False
        self._set_counts(0, 0)

    def close(self, me: str) -> None:
        """Another room is open now."""
        self.keeps_unread = False
        if self.unread:
            self.place_unread_line(me)
        else:
            self.hide_unread_line()

    # Messages.

    def expect(self, message: Message) -> None:
        """Prepare for a message that is added to the log next."""
        if not self.log.epoch:
            self.marker.set_read(message.at.offset - 1)  # messages from before the user knew the room are not news
        self._counts_are_stale = self._counts_are_stale or message.at.offset > self.log.last + 1

    def count(self, message: Message, *, mine: bool, visible: bool, me: str) -> None:
        """Count a message that was added to the log. `visible`: it will be drawn at once, on a focused screen."""
        if mine and not self.unread:
            self.marker.set_read(message.at.offset)
        elif not mine:
            if message.at.offset > self.head:  # the others are counted already, as messages that are not loaded
                self._set_counts(self.unread + 1, self.mentions + self._is_for_user(message, me))
            if not visible:
                self.place_unread_line(me)
        if message.at.offset == self.head:
            self.recount(me)

    def distrust_counts(self) -> None:
        """A page of history is added to the log: what is unread must be recounted."""
        self._counts_are_stale = True

    def receive_newest(self) -> None:
        """The newest page was added to the log. It is authoritative: nothing is newer."""
        self.head = min(self.head, self.log.last)

    def recount_changed(self, held: Message, message: Message, me: str) -> None:
        """A message is otherwise now: an unread one can mention the user now, or no longer."""
        is_unread = message.at.offset in self.log and not self.marker.is_read(message.at.offset)
        if held.username != me and is_unread:
            more = self._is_for_user(message, me) - self._is_for_user(held, me)
            self._set_counts(self.unread, max(0, self.mentions + more))

    def _is_for_user(self, message: Message, me: str) -> bool:
        """Whether a message is meant for the user; in a direct conversation, each one is."""
        return self.is_direct or is_mentioned(me, message, self.log.get(message.reply_to) if message.reply_to else None)

    # The unread line.

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

    # What is read.

    def mark_drawn(self, offsets: Sequence[int], me: str) -> None:
        """Mark messages, in order, as read because they are on a focused screen; none if it is not focused."""
        if self.keeps_unread:
            return
        fresh = self.marker.mark_drawn(self.log, offsets)
        if self.unread and (fresh is None or self._counts_are_stale):
            self.recount(me)
        elif self.unread and fresh:
            others = [self.log[offset] for offset in fresh if self.log[offset].username != me]
            mentions = sum(self._is_for_user(message, me) for message in others)
            self._set_counts(max(0, self.unread - len(others)), max(0, self.mentions - mentions))
        if self.unread:
            self.place_unread_line(me)
        elif offsets:
            self._line_is_current = False

    def mark_drawn_in_thread(self, offsets: Sequence[int], me: str) -> None:
        """Mark messages of a thread as read that nothing unread comes before."""
        for offset in offsets:
            if not self.marker.is_read(offset):
                if offset not in self.log or self.marker.is_apart(self.log, offset):
                    break
                self.mark_drawn([offset], me)

    def recount(self, me: str) -> None:
        """Count the unread messages and mentions again, those that are not loaded by the server's counts."""
        messages, missing = self.marker.unread(self.log, self.head)
        others = [message for message in messages if message.username != me]
        unread, mentions = missing + len(others), sum(self._is_for_user(message, me) for message in others)
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
        more = sum(self._is_for_user(message, me) for message in later)
        more -= sum(self._is_for_user(message, me) for message in read)
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

    # Other devices.

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


def is_told(state: RoomState) -> bool:
    """Whether the server tells how far the user has read a room."""
    return bool(state.counted) or not state.head
