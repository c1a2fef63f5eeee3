"""What a person is told: one message, or how many there are. Pure; every text in it is inert."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import msgspec

from chatterbox.wire.frames import Message
from client.text.sanitize import inert

TITLE_CHARS = 80
BODY_CHARS = 200
MESSAGES = 20
"""The last so many messages are given to a command."""
ROOMS = 3
"""So many rooms are named."""


class NotifyReason(StrEnum):
    """Why somebody is told of a message, the most urgent first."""

    MENTION = "mention"
    KEYWORD = "keyword"
    MESSAGE = "message"


@dataclass(frozen=True, slots=True)
class NotableMessage:
    """A message that is worth a notice."""

    message: Message
    why: NotifyReason


@dataclass(frozen=True, slots=True)
class Notification:
    """`title` and `body` are inert lines, of at most 80 and 200 characters; `heard` are the messages, oldest first."""

    title: str
    body: str
    heard: tuple[NotableMessage, ...]
    count: int

    @property
    def why(self) -> NotifyReason:
        """The most urgent reason among them."""
        reasons = {heard.why for heard in self.heard}
        return next(why for why in NotifyReason if why in reasons)

    def as_json(self) -> bytes:
        """One line for a program: ASCII, with the messages as the server sent them, and so not inert once parsed."""
        messages = [msgspec.to_builtins(heard.message) | {"why": heard.why} for heard in self.heard[-MESSAGES:]]
        said = {"title": self.title, "body": self.body, "why": self.why, "count": self.count, "messages": messages}
        return json.dumps(said).encode() + b"\n"


def notification_of(heard: Sequence[NotableMessage], counts: Mapping[str, int]) -> Notification:
    """The notice for what was heard: all of it, or the last of what `counts` counts by room. Not for none.

    One is shown as it was said; of more, their number ("3 new in #ops") and the last of the most urgent.
    """
    count = sum(counts.values())
    urgent = min(heard, key=lambda each: list(NotifyReason).index(each.why)).why
    message = next(each.message for each in reversed(heard) if each.why is urgent)
    said, name = _line(message.content), inert(message.username)
    if count == 1:
        return Notification(
            _cut(f"{name} in #{inert(message.room)}", TITLE_CHARS), _cut(said, BODY_CHARS), tuple(heard), 1
        )
    return Notification(_cut(_summary(counts), TITLE_CHARS), _cut(f"{name}: {said}", BODY_CHARS), tuple(heard), count)


def _summary(counts: Mapping[str, int]) -> str:
    """How many there are in each room, the most first."""
    rooms = Counter(counts).most_common()
    told = [f"{number} new in #{inert(room)}" for room, number in rooms[:ROOMS]]
    return ", ".join([*told, *([f"and in {len(rooms) - ROOMS} more"] if len(rooms) > ROOMS else [])])


def _line(content: str) -> str:
    """A message as one inert line; only as much of it is looked at as can be shown."""
    return inert(" ".join(content[: 4 * BODY_CHARS].split()))


def _cut(text: str, chars: int) -> str:
    return text if len(text) <= chars else f"{text[: chars - 1]}…"
