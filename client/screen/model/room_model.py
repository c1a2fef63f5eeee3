"""One room as the screen knows it: its messages, what is unread, what is on its way, what is half written. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from chatterbox.wire.frames import Message
from client.core.outbox_entry import OutboxEntry
from client.screen.layout.links import mentions
from client.screen.model.input_history import InputHistory
from client.screen.model.message_log import MessageLog
from client.screen.model.unread import ReadMarker

NOTICES = 200
HEARD = 1_000
QUIET = 2_000
"""Messages kept of a room that is not looked at."""


@dataclass
class RoomModel:
    """All of one room. `sending` is the outbox's part, in order; `landed` is acked and waits its turn, by offset."""

    name: str
    member: bool = True
    private: bool = False
    topic: str = ""
    log: MessageLog = field(default_factory=MessageLog)
    sending: tuple[OutboxEntry, ...] = ()
    in_flight: bool = False
    landed: dict[int, OutboxEntry] = field(default_factory=dict)

    head: int = 0
    """The newest message as we connected: what is missing up to there is loaded when somebody looks."""
    marker: ReadMarker = field(default_factory=ReadMarker)
    """What is read."""
    line: int | None = None
    """The unread line stands after this offset."""
    lined: bool = False
    """Whether that line is the one of what is unread now, not of what has been read since."""
    stale: bool = False
    """Whether what is unread has to be counted anew: a page came, or something was jumped over."""
    unread: int = 0
    mentions: int = 0
    to_go: int = 0
    """Messages missed while away that are still to come."""
    missed: int = 0
    """How many there were."""

    heard: dict[str, str] = field(default_factory=dict)
    """When each person was heard last, the latest last."""
    notices: dict[int, list[str]] = field(default_factory=dict)
    """The client's own words, by the offset after which they were said."""
    draft: str = ""
    recall: InputHistory = field(default_factory=InputHistory)
    asked: set[tuple[str, int]] = field(default_factory=set)
    """Pages asked for and not answered: `("before", offset)`; offset 0: the last ones."""
    refused: set[tuple[str, int]] = field(default_factory=set)
    """Those that the server would not give: asked for again only when somebody scrolls."""

    def said(self, message: Message, *, mine: bool, seen: bool, me: str) -> None:
        """The next message. `seen`: it will be drawn at once, before somebody who looks."""
        if message.at.epoch != self.log.epoch and self.log.epoch:
            self.reset()
        if not self.log.epoch:
            self.marker.read = message.at.offset - 1  # what stood in a room before one heard of it is not news
        self.stale = self.stale or message.at.offset > self.log.last + 1
        if not self.log:
            self._place_notices(message.at.offset - 1)
        self.log.add([message])
        self._settle()
        self.hear([message])
        self.to_go = max(0, self.to_go - 1)
        if mine and not self.unread:
            self.marker.read = message.at.offset
        elif not mine:
            self.unread += 1
            self.mentions += mentions(message.content, me)
            if not seen:
                self.draw_line(me)

    def draw_line(self, me: str) -> None:
        """Put the unread line where what is unread begins; it stays there while one reads on."""
        if not self.lined:
            self.line, self.lined = self.marker.read, True
            self._move_line(me)

    def _move_line(self, me: str) -> None:
        """One's own are never unread: the line stands above somebody else's, or not at all."""
        if self.line is None:
            return
        while self.line + 1 in self.log and self.log[self.line + 1].username == me:
            self.line += 1
        if not self.unread and self.line >= max(self.log.last, self.head):
            self.line, self.lined = None, False

    def drawn(self, offsets: Sequence[int], me: str) -> None:
        """These messages, in order, are on the screen, and somebody looks; none of them: nobody does."""
        fresh = self.marker.drawn(self.log, offsets)
        if self.unread and (fresh is None or self.stale):
            self.count(me)
        elif self.unread and fresh:
            others = [self.log[offset].content for offset in fresh if self.log[offset].username != me]
            self.unread = max(0, self.unread - len(others))
            self.mentions = max(0, self.mentions - sum(mentions(text, me) for text in others))
        if self.unread:
            self.draw_line(me)
        elif offsets:
            self.lined = False

    def count(self, me: str) -> None:
        """Count anew what is unread."""
        messages, missing = self.marker.unread(self.log, self.head)
        others = [message.content for message in messages if message.username != me]
        self.unread, self.mentions = missing + len(others), sum(mentions(text, me) for text in others)
        self.stale = False
        self._move_line(me)

    def see_all(self) -> None:
        """Take everything as read, because somebody says so."""
        self.marker = ReadMarker(max(self.marker.read, self.log.last, self.head))
        self.unread = self.mentions = 0
        self.line, self.lined = None, False

    def page(self, messages: Sequence[Message], *, before: int | None = None, begins: bool = False) -> None:
        """Messages that were asked for: those before an offset, or the last ones, or those after an offset."""
        was_empty, self.stale = not self.log, True
        self.log.add_page(list(messages), before=before, begins=begins)
        if was_empty and messages:
            self._place_notices(self.log.last)
        self._settle()
        self.hear(messages, older=True)

    def land(self, entry: OutboxEntry, offset: int) -> None:
        """The server has stored it; unless that was long ago, it waits for what stands before it."""
        self.landed[offset] = entry
        self._settle()

    def _settle(self) -> None:
        """What was acked has its place among the messages once they reach as far."""
        self.landed = {offset: entry for offset, entry in self.landed.items() if offset > self.log.last}

    def hear(self, messages: Iterable[Message], *, older: bool = False) -> None:
        for message in messages:
            known = self.heard.get(message.username, "")
            if older and known >= message.timestamp:
                continue
            self.heard.pop(message.username, None)
            self.heard[message.username] = message.timestamp
        if older:
            self.heard = dict(sorted(self.heard.items(), key=lambda pair: pair[1]))
        while len(self.heard) > HEARD:
            del self.heard[next(iter(self.heard))]

    def caught_up(self) -> None:
        """All that was missed is here: say so, for the status line may have said it too short for eyes."""
        self.to_go, missed = 0, self.missed
        self.notice(f"Caught up: {missed} message{'' if missed == 1 else 's'} came while you were away.")

    def notice(self, text: str) -> None:
        """Say something below the last message; `text` is inert."""
        said = self.notices.setdefault(self.log.last, [])
        if said[-1:] == [text]:
            return
        said.append(text)
        while sum(map(len, self.notices.values())) > NOTICES:
            first = min(self.notices)
            del self.notices[first][0]
            if not self.notices[first]:
                del self.notices[first]

    def _place_notices(self, offset: int) -> None:
        """What was said before any message was known stands after this one from now on."""
        if said := self.notices.pop(0, []):
            self.notices[offset] = said

    def reset(self) -> None:
        """The history is another one: what is shown of it goes, what one wrote stays."""
        said = [text for offset in sorted(self.notices) for text in self.notices[offset]]
        self.log, self.landed, self.marker = MessageLog(), {}, ReadMarker()
        self.line, self.lined = None, False
        self.head = self.unread = self.mentions = self.to_go = 0
        self.notices = {0: said} if said else {}
        self.ask_again()

    def ask_again(self) -> None:
        """What was asked for on another connection is not answered any more."""
        self.asked.clear()
        self.refused.clear()

    def rest(self, me: str) -> None:
        """Nobody looks any more."""
        if self.unread:
            self.draw_line(me)
        else:
            self.line, self.lined = None, False
        self.log.trim(QUIET)
