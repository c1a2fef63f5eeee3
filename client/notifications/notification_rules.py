"""Decides which messages to report: takes notes, returns notable messages. Pure.

Only messages that are stored while the client is connected count. What was in history when the connection began is
caught up, however late it is shown: the welcome contains the head of each room.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import assert_never

import msgspec

from chatterbox.wire.frames import Message
from chatterbox.wire.position import Position
from chatterbox.wire.read_state import ReadState
from client.config.config_schema import EncryptedNotice, NotificationSettings, NotifyLevel
from client.core import notes
from client.core.direct_rooms import is_direct
from client.core.read_state.room_read_state import EVERYBODY
from client.encryption.core.trust import DecryptedMessage
from client.notifications.mentions import names
from client.notifications.notification import NotableMessage, NotifyReason
from client.text.encryption.encryption_text import first_message_line

RESET_S = 1.0
"""How long after a reset of a room's history its messages count as read again, not as new (seconds)."""


@dataclass(frozen=True, slots=True)
class NotificationRules:
    """The settings, the levels that the server has, and what tells old messages from new.

    `heads`: the head of each room at the last welcome.
    """

    settings: NotificationSettings
    username: str = ""
    heads: dict[str, Position] = field(default_factory=dict)
    catching_up: frozenset[str] = frozenset()
    resets_s: dict[str, float] = field(default_factory=dict)
    levels: dict[str, ReadState] = field(default_factory=dict)
    """What the server told of each room: its level, and until when it is quiet."""


def take(
    rules: NotificationRules,
    note: notes.Note,
    now_s: float,
    looking_at: str | None = None,
    *,
    focused: bool = False,
    related: Message | None = None,
) -> tuple[NotificationRules, NotableMessage | None]:
    """Take the next note; return the new rules, and the message to report, if any.

    `looking_at`: the room on the screen, which is read only if the terminal is `focused`. `now_s` is of any monotonic
    clock. `related`: a changed message as it was before, or the message that a new one answers, if the face has
    it.
    """
    match note:
        case notes.MessageShown(message, mine):
            is_read = focused and message.room == looking_at
            if mine or is_read or _is_old(rules, message, now_s):
                return rules, None
            reason = reason_for(rules, message, answers_me=related is not None and related.username == rules.username)
            return rules, _notable(rules, message, reason) if reason else None
        case notes.MessageChanged(message, mine, did="edit"):
            is_read = focused and message.room == looking_at
            if mine or is_read or related is None or _mentions(rules, related):
                return rules, None
            is_mention = reason_for(rules, message) is NotifyReason.MENTION
            return rules, _notable(rules, message, NotifyReason.MENTION) if is_mention else None
        case notes.WelcomeReceived(username, rooms):
            heads = {room.room: Position(room.at.epoch, room.head) for room in rooms}
            return NotificationRules(rules.settings, username, heads, levels=rules.levels), None
        case notes.ReadStateTold(room, state) if state.told is not None:
            return replace(rules, levels={**rules.levels, room: state.told}), None
        case notes.CatchingUp(room):
            return replace(rules, catching_up=rules.catching_up | {room}), None
        case notes.CaughtUp(room):
            return replace(rules, catching_up=rules.catching_up - {room}), None
        case notes.RoomReset(room):
            return replace(rules, resets_s={**rules.resets_s, room: now_s}), None
        case _:
            pass  # other notes are nothing to be notified of
    return rules, None


def _notable(rules: NotificationRules, message: Message, reason: NotifyReason) -> NotableMessage:
    """A message to report, with as much of an encrypted one as the settings show."""
    if not isinstance(message, DecryptedMessage):
        return NotableMessage(message, reason)
    match rules.settings.encrypted:
        case EncryptedNotice.TEXT:
            return NotableMessage(message, reason)
        case EncryptedNotice.SENDER:
            content = first_message_line(message.username)
            return NotableMessage(msgspec.structs.replace(message, content=content, files=()), reason)
        case EncryptedNotice.NOTHING:
            hidden = msgspec.structs.replace(
                message, content="New encrypted message", files=(), username="chatterbox", trust=None, mentions=()
            )
            return NotableMessage(hidden, reason)
        case _:
            assert_never(rules.settings.encrypted)


def _is_old(rules: NotificationRules, message: Message, now_s: float) -> bool:
    """Whether a message was stored before the client connected.

    While a room catches up, messages beyond its head are new: they only wait their turn behind the missed ones.
    """
    head = rules.heads.get(message.room)
    if head is not None and head.epoch == message.at.epoch:
        return message.at.offset <= head.offset
    reset_s = rules.resets_s.get(message.room)
    return message.room in rules.catching_up or (reset_s is not None and now_s < reset_s + RESET_S)


def reason_for(rules: NotificationRules, message: Message, *, answers_me: bool = False) -> NotifyReason | None:
    """Why to report a new message; None if the settings exclude it. A reply to the user's message is a mention.

    Each message of a direct conversation is reported, unless its level is none.
    """
    settings = rules.settings
    level = _level_of(rules, message)
    if level is NotifyLevel.NONE:
        return None
    if message.deleted or (isinstance(message, DecryptedMessage) and message.unreadable is not None):
        return None
    if is_direct(message.room):
        return NotifyReason.DIRECT
    if answers_me or _mentions(rules, message):
        return NotifyReason.MENTION
    if names(message.content, settings.keywords):
        return NotifyReason.KEYWORD
    return NotifyReason.MESSAGE if level is NotifyLevel.ALL else None


def _level_of(rules: NotificationRules, message: Message) -> NotifyLevel:
    """The level of the message's room: of the room in the configuration, else of the server, else the default."""
    if (configured := rules.settings.rooms.get(message.room)) is not None:
        return configured
    told = rules.levels.get(message.room)
    if told is None:
        return rules.settings.default
    if _is_before(message.timestamp, told.until):
        return NotifyLevel.NONE
    return NotifyLevel(told.notify.value) if told.notify else rules.settings.default


def _is_before(timestamp: str, until: str) -> bool:
    """Whether a message was stored before a time, by the server's clock."""
    try:
        return bool(until) and datetime.fromisoformat(timestamp) < datetime.fromisoformat(until)
    except (ValueError, TypeError):
        return False


def _mentions(rules: NotificationRules, message: Message) -> bool:
    """Whether a message mentions the user. The server lists those it mentions; if it lists none, the text decides."""
    if message.mentions:
        return rules.username in message.mentions or EVERYBODY in message.mentions
    return names(message.content, [rules.username])
