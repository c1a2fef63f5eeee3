"""Of which messages one is told. Pure: notes go in, and what is worth a notice comes out.

Only what is said while one is there counts. What stood in history when the connection began is caught up, however late
it is shown: the welcome tells how far each room had come by then.
"""

from dataclasses import dataclass, field, replace

from chatterbox.wire.frames import Message
from chatterbox.wire.position import Position
from client.config.config_schema import NotificationSettings, NotifyLevel
from client.core import notes
from client.notifications.mentions import names
from client.notifications.notification import NotableMessage, NotifyReason

RESET_S = 1.0
"""For so long after a room's history became another one, what comes of it is read anew and not said anew."""


@dataclass(frozen=True, slots=True)
class NotificationRules:
    """What must be known to tell old from new. `heads`: by room, what was stored when the connection began."""

    settings: NotificationSettings
    username: str = ""
    heads: dict[str, Position] = field(default_factory=dict)
    catching_up: frozenset[str] = frozenset()
    resets_s: dict[str, float] = field(default_factory=dict)


def take(
    rule: NotificationRules, note: notes.Note, now_s: float, looking_at: str | None = None, *, focused: bool = False
) -> tuple[NotificationRules, NotableMessage | None]:
    """Take the next note. `looking_at`: the room on the screen, which is seen only if the terminal is `focused`.

    `now_s` is of any clock that runs evenly.
    """
    match note:
        case notes.MessageShown(message, mine):
            seen = focused and message.room == looking_at
            why = None if mine or seen or _is_old(rule, message, now_s) else reason(rule, message)
            return rule, NotableMessage(message, why) if why else None
        case notes.WelcomeReceived(username, rooms):
            heads = {room.room: Position(room.at.epoch, room.head) for room in rooms}
            return NotificationRules(rule.settings, username, heads), None
        case notes.CatchingUp(room):
            return replace(rule, catching_up=rule.catching_up | {room}), None
        case notes.CaughtUp(room):
            return replace(rule, catching_up=rule.catching_up - {room}), None
        case notes.RoomReset(room):
            return replace(rule, resets_s={**rule.resets_s, room: now_s}), None
    return rule, None


def _is_old(rule: NotificationRules, message: Message, now_s: float) -> bool:
    """Whether a message was stored before one was there to hear it.

    While a room is caught up, what is beyond its head is said now, and only waits its turn behind what was missed.
    """
    head = rule.heads.get(message.room)
    if head is not None and head.epoch == message.at.epoch:
        return message.at.offset <= head.offset
    reset_s = rule.resets_s.get(message.room)
    return message.room in rule.catching_up or (reset_s is not None and now_s < reset_s + RESET_S)


def reason(rule: NotificationRules, message: Message) -> NotifyReason | None:
    """Why one wants to be told of a message that is new; None if one does not."""
    settings = rule.settings
    level = settings.rooms.get(message.room, settings.default)
    if level is NotifyLevel.NONE:
        return None
    if names(message.content, [rule.username]):
        return NotifyReason.MENTION
    if names(message.content, settings.keywords):
        return NotifyReason.KEYWORD
    return NotifyReason.MESSAGE if level is NotifyLevel.ALL else None
