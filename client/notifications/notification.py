"""A notification: one message, the number of new messages by room, or an invitation. Pure; its text is inert."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import msgspec

from chatterbox.wire.frames import Message
from client.core.direct_rooms import is_direct
from client.text.file_text import summary
from client.text.room_text import shown_room
from client.text.sanitize import inert

TITLE_CHARS = 80
BODY_CHARS = 200
MESSAGES = 20
"""How many messages a notification command gets at most; the last ones."""
ROOMS = 3
"""How many rooms a title names at most."""


class NotifyReason(StrEnum):
    """Why something is reported, the most urgent reason of a message first; an invitation has no messages."""

    DIRECT = "direct"
    MENTION = "mention"
    KEYWORD = "keyword"
    MESSAGE = "message"
    INVITATION = "invitation"


@dataclass(frozen=True, slots=True)
class NotableMessage:
    """A message to report."""

    message: Message
    reason: NotifyReason


@dataclass(frozen=True, slots=True)
class Notification:
    """`title` and `body` are inert lines, of at most 80 and 200 characters; `messages` are in order, oldest first.

    `count` is the number of messages that it reports, which may be more than are kept.
    """

    title: str
    body: str
    messages: tuple[NotableMessage, ...]
    count: int

    @property
    def reason(self) -> NotifyReason:
        """The most urgent reason of its messages."""
        return _most_urgent(self.messages) if self.messages else NotifyReason.INVITATION

    def as_json(self) -> bytes:
        """One line of ASCII JSON for a program; the messages are as the server sent them, so not inert once parsed."""
        messages = [msgspec.to_builtins(each.message) | {"why": each.reason} for each in self.messages[-MESSAGES:]]
        fields = {"title": self.title, "body": self.body, "why": self.reason, "count": self.count, "messages": messages}
        return json.dumps(fields).encode() + b"\n"


def notification_of(messages: Sequence[NotableMessage], counts: Mapping[str, int]) -> Notification:
    """The notification for `messages`, which are not empty: all, or the last, of those that `counts` counts by room.

    A single message is shown as it is; of more, their number ("3 new in #ops") and the last of the most urgent.
    """
    count = sum(counts.values())
    reason = _most_urgent(messages)
    message = next(each.message for each in reversed(messages) if each.reason is reason)
    content, name = _line(summary(message.content, message.files)), inert(message.username)
    if count == 1:
        where = "" if is_direct(message.room) else f" in {shown_room(message.room)}"
        title = _cut(f"{name}{where}", TITLE_CHARS)
        return Notification(title, _cut(content, BODY_CHARS), tuple(messages), 1)
    title = _cut(_summary(counts), TITLE_CHARS)
    return Notification(title, _cut(f"{name}: {content}", BODY_CHARS), tuple(messages), count)


def invitation_notice(room: str, by: str) -> Notification:
    """The notification that `by` invited the user to `room`."""
    title = _cut(f"Invitation to {shown_room(room)}", TITLE_CHARS)
    return Notification(title, _cut(f"{inert(by)} invited you.", BODY_CHARS), (), 0)


def _most_urgent(messages: Sequence[NotableMessage]) -> NotifyReason:
    reasons = {each.reason for each in messages}
    return next(reason for reason in NotifyReason if reason in reasons)


def _summary(counts: Mapping[str, int]) -> str:
    """The number of messages in each room, the largest first."""
    rooms = Counter(counts).most_common()
    parts = [f"{number} new in {shown_room(room)}" for room, number in rooms[:ROOMS]]
    return ", ".join([*parts, *([f"and in {len(rooms) - ROOMS} more"] if len(rooms) > ROOMS else [])])


def _line(content: str) -> str:
    """A message as one inert line; only the start is processed, as no more can be shown."""
    return inert(" ".join(content[: 4 * BODY_CHARS].split()))


def _cut(text: str, chars: int) -> str:
    return text if len(text) <= chars else f"{text[: chars - 1]}…"
