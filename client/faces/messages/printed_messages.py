"""The newest messages of each room that a line-based face holds, as they are now. Pure."""

from collections.abc import Iterable, Sequence

from chatterbox.wire.frames import Message
from client.core.message_changes import HeldMessages, is_newer

KEPT = 200
"""Messages held of each room; the oldest are dropped first."""


class PrintedMessages:
    """Holds messages by room and offset. Only those can be named by their time, and are reported when they change."""

    def __init__(self) -> None:
        self._rooms: dict[str, dict[int, Message]] = {}

    def add(self, messages: Iterable[Message]) -> None:
        """Hold messages, in order; one of another epoch replaces all of its room."""
        for message in messages:
            held = self._rooms.setdefault(message.room, {})
            if held and next(iter(held.values())).at.epoch != message.at.epoch:
                held.clear()
            old = held.get(message.at.offset)
            if old is None or is_newer(message, old):
                held[message.at.offset] = message
            while len(held) > KEPT:
                del held[min(held)]

    def replace(self, message: Message) -> Message | None:
        """Replace an older version of `message` and return that; None if there is none, and nothing changes."""
        held = self._rooms.get(message.room, {})
        old = held.get(message.at.offset)
        if old is None or old.at.epoch != message.at.epoch or not is_newer(message, old):
            return None
        held[message.at.offset] = message
        return old

    def forget(self, room: str) -> None:
        """Drop the messages of a room: the user is not in it any more, or its history was replaced."""
        self._rooms.pop(room, None)

    def get(self, room: str, offset: int) -> Message | None:
        return self._rooms.get(room, {}).get(offset)

    def of(self, room: str) -> Sequence[Message]:
        """The messages of a room, oldest first."""
        held = self._rooms.get(room, {})
        return [held[offset] for offset in sorted(held)]

    def held(self) -> dict[str, HeldMessages]:
        """What the core must know of them at each connect."""
        return {room: HeldMessages(min(held)) for room, held in self._rooms.items() if held}


def by_offset(messages: Iterable[Message], offset: int) -> Message | None:
    """The message at `offset`, if it is one of these."""
    return next((message for message in messages if message.at.offset == offset), None)
