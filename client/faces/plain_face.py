"""The plain face of `chat`: it only ever adds lines, for screen readers, serial lines and dumb terminals.

The terminal's own line input is used, so nothing is redrawn and no escape sequence is written. What became of a line of
one's own is said in a word: `queued` when it waits, `stored` when the server has it.
"""

from chatterbox.wire import frames
from chatterbox.wire.position import Position
from client.context import ClientContext
from client.core import notes
from client.core.outbox_entry import OutboxEntry
from client.faces.delivery_marks import MOMENT_S, DeliveryMarks
from client.faces.line_face import LineFace
from client.faces.line_output import LineOutput, LoopClock
from client.store.name_cache import NameCache
from client.text import note_text
from client.text.sanitize import inert_name


class PlainFace(LineFace):
    """Only ever adds lines. Where the paper is echoed, the text of what is stored at once is not repeated."""

    def __init__(
        self, place: ClientContext, room: str, paper: LineOutput, known: NameCache, clock: LoopClock | None = None
    ) -> None:
        super().__init__(place, room, paper, known, clock)
        self._own = DeliveryMarks()
        self._own_timer = False
        self._on_screen: set[tuple[str, Position]] = set()
        """Own messages whose text stands where it was typed, until their turn comes."""

    def _take(self, note: notes.Note) -> None:
        match note:
            case notes.QueuedOffline():
                return  # "queued" says it
            case notes.SendStored(entry, at):
                if self._own.stored(entry) and self._paper.echoed and entry.room == self.room:
                    self._on_screen.add((entry.room, at))
                self._tell_own() if self._own.is_done else self._await_own()
            case notes.SendFailed(entry):
                self._own.refused(entry)
        super()._take(note)

    def _wrote(self, entry: OutboxEntry) -> None:
        self._own.wrote(entry)
        self._await_own()

    def _said(self, message: frames.Message, *, mine: bool) -> None:
        seen = (message.room, message.at)
        if seen not in self._on_screen:
            super()._said(message, mine=mine)
        self._on_screen.discard(seen)

    def _await_own(self) -> None:
        if not self._own_timer:
            self._own_timer = True
            self._clock.later(MOMENT_S, self._tell_own)

    def _tell_own(self) -> None:
        self._own_timer = False
        if word := self._own.say():
            self.notice(word)

    def _nothing_typed(self) -> None:
        """Say where one is, which other faces have on their screen."""
        if not self._paper.echoed:
            return
        where = f"#{inert_name(self.room)}" if self.room else "no room"
        facts = [*self._facts(), *([note_text.new_in(self._unread.counts)] if self._unread.counts else [])]
        self.notice(", ".join([where, *facts]))
