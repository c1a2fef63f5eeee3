"""One room as the screen knows it: its messages, what is unread, what is on its way, what is half written. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from chatterbox.wire.frames import Message
from client.entry import Entry
from client.screen.links import mentions
from client.screen.log import Log
from client.screen.recall import Recall

NOTICES = 200
HEARD = 1_000
QUIET = 2_000
"""Messages kept of a room that is not looked at."""


@dataclass
class Room:
    """All of one room. `sending` is the outbox's part, in order; `landed` is acked and waits its turn, by offset."""

    name: str
    member: bool = True
    private: bool = False
    topic: str = ""
    log: Log = field(default_factory=Log)
    sending: tuple[Entry, ...] = ()
    in_flight: bool = False
    landed: dict[int, Entry] = field(default_factory=dict)

    read: int = 0
    """The last message that was on the screen."""
    line: int | None = None
    """The unread line stands after this offset."""
    unread: int = 0
    mentions: int = 0
    to_go: int = 0
    """Messages missed while away that are still to come."""

    heard: dict[str, str] = field(default_factory=dict)
    """When each person was heard last, the latest last."""
    notices: dict[int, list[str]] = field(default_factory=dict)
    """The client's own words, by the offset after which they were said."""
    draft: str = ""
    recall: Recall = field(default_factory=Recall)
    asked: set[tuple[str, int]] = field(default_factory=set)
    """Pages asked for and not answered: `("before", offset)`; offset 0: the last ones."""
    refused: set[tuple[str, int]] = field(default_factory=set)
    """Those that the server would not give: asked for again only when somebody scrolls."""

    def said(self, message: Message, *, mine: bool, seen: bool, me: str) -> None:
        """The next message. `seen`: it is on the screen, and somebody looks."""
        if message.at.epoch != self.log.epoch and self.log.epoch:
            self.reset()
        self.log.add([message])
        self.landed.pop(message.at.offset, None)
        self.hear([message])
        self.to_go = max(0, self.to_go - 1)
        if seen or (mine and not self.unread):
            self.read = message.at.offset
        elif not mine:
            self._count(message, me)

    def _count(self, message: Message, me: str) -> None:
        if not self.unread:
            self.line = message.at.offset - 1
        self.unread += 1
        self.mentions += mentions(message.content, me)

    def recount(self, me: str) -> None:
        """Count who is named in what is unread and has been loaded; what came live is counted already."""
        if self.unread:
            loaded = map(self.log.__getitem__, self.log.offsets[self.log.index_at(self.read + 1) :])
            named = sum(mentions(message.content, me) for message in loaded if message.username != me)
            self.mentions = max(self.mentions, named)

    def see(self) -> None:
        """Everything is on the screen; the unread line stays while the room is looked at."""
        self.unread = self.mentions = 0
        self.read = max(self.read, self.log.last)

    def page(self, messages: Sequence[Message], *, before: int | None = None, begins: bool = False) -> None:
        """Messages that were asked for: those before an offset, or the last ones, or those after an offset."""
        was_empty = not self.log
        self.log.add_page(list(messages), before=before, begins=begins)
        if was_empty and 0 in self.notices and messages:
            self.notices[self.log.last] = self.notices.pop(0)
        for message in messages:
            self.landed.pop(message.at.offset, None)
        self.hear(messages, older=True)

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

    def reset(self) -> None:
        """The history is another one: what is shown of it goes, what one wrote stays."""
        said = [text for offset in sorted(self.notices) for text in self.notices[offset]]
        self.log, self.landed, self.line, self.read = Log(), {}, None, 0
        self.unread = self.mentions = self.to_go = 0
        self.notices = {0: said} if said else {}
        self.ask_again()

    def ask_again(self) -> None:
        """What was asked for on another connection is not answered any more."""
        self.asked.clear()
        self.refused.clear()

    def rest(self) -> None:
        """Nobody looks any more."""
        self.line = None if not self.unread else self.line
        self.log.trim(QUIET)
