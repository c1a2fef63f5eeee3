"""Messages that the server listed on request: the pinned ones of a room. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from msgspec import UNSET

from chatterbox.wire.frames import Message, Page, ReadHistory
from client.core.message_changes import is_newer

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
    def of_pins(cls, room: str, loaded: Iterable[Message]) -> "MessageList":
        """The pinned messages of a room."""
        listing = cls(ReadHistory(id=0, room=room, pinned=True, limit=LIMIT))
        listing._add(message for message in loaded if message.pinned)
        return listing

    def answers(self, request: ReadHistory) -> bool:
        """Whether the reply to `request` is for this listing."""
        return request.room == self.request.room and is_of_pins(request)

    def fill(self, page: Page) -> None:
        """Take the server's answer."""
        self._add(page.messages)
        self.more, self.state = page.more, ""

    def refuse(self, sentence: str) -> None:
        """The server refused to list them; `sentence` says why."""
        self.state = sentence

    def change(self, message: Message) -> None:
        """Take a later state of a message; one that is no longer pinned leaves the list."""
        held = self.messages.get(message.at.offset)
        if message.room != self.request.room or (held is not None and not is_newer(message, held)):
            return
        self.messages.pop(message.at.offset, None)
        if message.pinned:
            self._add([message])

    def _add(self, messages: Iterable[Message]) -> None:
        for message in messages:
            held = self.messages.get(message.at.offset)
            if held is None or message.rev >= held.rev:
                self.messages[message.at.offset] = message
        self.messages = dict(sorted(self.messages.items()))


def is_of_pins(request: ReadHistory) -> bool:
    """Whether a request asks for pins: its page is no range of the room's messages."""
    return request.pinned is not UNSET
