"""Messages that the server listed on request: those of a thread, or the pinned ones of a room. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from msgspec import UNSET

from chatterbox.wire.frames import Message, Page, ReadHistory

LIMIT = 200
"""Messages that are requested at once: the newest."""


@dataclass
class MessageList:
    """What was asked of the server, and its answer. `messages` are in order; `loaded` ones are shown at once."""

    request: ReadHistory
    messages: dict[int, Message] = field(default_factory=dict)
    more: bool = False
    """Whether there are older messages that are not listed."""
    state: str = "Loading …"
    """Why nothing more is listed; empty once the server has answered."""

    @classmethod
    def of_thread(cls, room: str, root: int, loaded: Iterable[Message]) -> "MessageList":
        """A thread: the message at `root` and its replies."""
        listing = cls(ReadHistory(id=0, room=room, thread=root, limit=LIMIT))
        listing._add(message for message in loaded if root in {message.at.offset, message.thread})
        return listing

    @classmethod
    def of_pins(cls, room: str, loaded: Iterable[Message]) -> "MessageList":
        """The pinned messages of a room."""
        listing = cls(ReadHistory(id=0, room=room, pinned=True, limit=LIMIT))
        listing._add(message for message in loaded if message.pinned)
        return listing

    @property
    def is_of_pins(self) -> bool:
        return self.request.pinned is not UNSET

    def answers(self, request: ReadHistory) -> bool:
        """Whether the reply to `request` is for this listing."""
        asked = self.request
        return (request.room, request.thread, request.pinned) == (asked.room, asked.thread, asked.pinned)

    def fill(self, page: Page) -> None:
        """Take the server's answer."""
        self._add(page.messages)
        self.more, self.state = page.more, ""

    def refuse(self, sentence: str) -> None:
        """The server refused to list them; `sentence` says why."""
        self.state = sentence

    def change(self, message: Message) -> None:
        """Take a later state of a message; one that is no longer pinned leaves the list of pins."""
        held = self.messages.get(message.at.offset)
        if message.room != self.request.room or (held is not None and message.rev <= held.rev):
            return
        if self.is_of_pins:
            self.messages.pop(message.at.offset, None)
            if message.pinned:
                self._add([message])
        elif held is not None or message.thread == self.request.thread:
            self._add([message])

    def _add(self, messages: Iterable[Message]) -> None:
        for message in messages:
            held = self.messages.get(message.at.offset)
            if held is None or message.rev >= held.rev:
                self.messages[message.at.offset] = message
        self.messages = dict(sorted(self.messages.items()))


def is_listing(request: ReadHistory) -> bool:
    """Whether a request asks for a thread or for pins: its page is no range of the room's messages."""
    return request.thread is not UNSET or request.pinned is not UNSET
