"""The user's own reactions, where more people reacted than the server names. Pure.

Up to eight names of a reaction are in the message. Beyond them, what was done in this run counts, and the server is
asked once for the messages around those on the screen.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from chatterbox.wire.frames import Message, Reaction

RANGE = 100
"""Offsets that are asked for at once; the server's limit is 200, unless it is configured."""
NONE: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class OwnReactionsWanted:
    """Ask for the user's reactions to the messages of a room from offset `first` to `last`."""

    room: str
    first: int
    last: int


@dataclass
class OwnReactions:
    """The user's reactions to messages of one room, as far as they are known, by offset."""

    _emoji: dict[int, frozenset[str]] = field(default_factory=dict)
    _asked: set[int] = field(default_factory=set)
    _noted: set[int] = field(default_factory=set)
    """Messages to which the user reacted since the last question: its answer may be older."""

    def of(self, offset: int) -> frozenset[str]:
        """The emoji with which the user reacted to a message, among those of which the message does not tell."""
        return self._emoji.get(offset, NONE)

    def note(self, offset: int, emoji: str, *, removed: bool) -> None:
        """The user reacted, or took that back, on this device or another one."""
        self._noted.add(offset)
        self._emoji[offset] = self.of(offset) - {emoji} if removed else self.of(offset) | {emoji}

    def is_unclear(self, message: Message) -> bool:
        """Whether the user may have reacted to a message without being named in it, and it was not asked for."""
        return any(map(has_more, message.reactions)) and message.at.offset not in self._asked

    def ask(self, messages: Sequence[Message]) -> tuple[int, int] | None:
        """The first and last offset to ask for, of these messages in order; None if nothing is unclear."""
        unclear = [message.at.offset for message in messages if self.is_unclear(message)]
        asked = [offset for offset in unclear if offset < unclear[0] + RANGE]
        self._asked.update(asked)
        self._noted.clear()
        return (asked[0], asked[-1]) if asked else None

    def receive(self, first: int, last: int, found: Iterable[tuple[int, str]]) -> None:
        """Take the server's answer for a range."""
        told = {offset for offset in range(first, last + 1) if offset not in self._noted}
        self._emoji = {offset: emoji for offset, emoji in self._emoji.items() if offset not in told}
        for offset, emoji in found:
            if offset in told:
                self._emoji[offset] = self.of(offset) | {emoji}

    def ask_again(self) -> None:
        """Reactions may have changed unseen: ask for each message once more."""
        self._asked.clear()


def has_more(reaction: Reaction) -> bool:
    """Whether more users gave a reaction than are named."""
    return reaction.n > len(reaction.by)


def is_own(reaction: Reaction, username: str, emoji: frozenset[str]) -> bool:
    """Whether the user gave a reaction. `emoji`: with which the user reacted without being named."""
    return username in reaction.by or (has_more(reaction) and reaction.emoji in emoji)
