"""The plain face of `chat`: it only appends lines, for screen readers, serial lines and dumb terminals.

It uses the terminal's own line input, so nothing is redrawn and no escape sequence is written. The state of a typed
message is reported in a word: `queued` while it waits, `stored` once the server has it.
"""

from chatterbox.wire import frames
from chatterbox.wire.position import Position
from client.context import ClientContext
from client.core import notes
from client.core.outbox_entry import OutboxEntry
from client.faces.delivery_marks import QUEUED_AFTER_S, DeliveryMarks
from client.faces.line_face import LineFace
from client.faces.line_output import LineOutput, LoopClock
from client.net.chat_connection import Connector
from client.store.name_cache import NameCache
from client.text import note_text
from client.text.room_text import shown_room


class PlainFace(LineFace):
    """Only appends lines. If the output is echoed, a message that is stored at once is not printed again."""

    def __init__(
        self,
        context: ClientContext,
        room: str,
        output: LineOutput,
        names: NameCache,
        connect: Connector,
        clock: LoopClock | None = None,
        *,
        marks_read: bool = False,
    ) -> None:
        super().__init__(context, room, output, names, connect, clock, marks_read=marks_read)
        self._marks = DeliveryMarks()
        self._has_marks_timer = False
        self._echoed: set[tuple[str, Position]] = set()
        """Own messages that stand on the screen as they were typed, until their turn comes."""

    def _take(self, note: notes.Note) -> None:
        match note:
            case notes.QueuedOffline():
                return  # "queued" reports it
            case notes.SendStored(entry, at):
                is_typed = entry.room == self.room and not entry.files
                if self._marks.store(entry) and self._output.echoed and is_typed:
                    self._echoed.add((entry.room, at))
                if self._marks.is_done:
                    self._print_marks()
                else:
                    self._schedule_marks()
            case notes.SendFailed(entry):
                self._marks.refuse(entry)
            case _:
                pass  # other notes are not about delivery
        super()._take(note)

    def _report_queued(self, entry: OutboxEntry) -> None:
        self._marks.queue(entry)
        self._schedule_marks()

    def _show_message(self, message: frames.Message, *, mine: bool) -> None:
        position = (message.room, message.at)
        if position not in self._echoed:
            super()._show_message(message, mine=mine)
        self._echoed.discard(position)

    def _schedule_marks(self) -> None:
        if not self._has_marks_timer:
            self._has_marks_timer = True
            self._clock.later(QUEUED_AFTER_S, self._print_marks)

    def _print_marks(self) -> None:
        self._has_marks_timer = False
        if report := self._marks.take_report():
            self.notice(report)

    def _take_blank_line(self) -> None:
        """Print the open room and its state, which other faces keep on the screen."""
        super()._take_blank_line()
        if not self._output.echoed:
            return
        where = shown_room(self.room) if self.room else "no room"
        facts = [*self._facts(), *([note_text.new_in(self._unread.counts)] if self._unread.counts else [])]
        self.notice(", ".join([where, *facts]))
