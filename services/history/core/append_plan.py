"""Decides which messages of a batch are stored, at which offsets, and with which outcomes. Pure.

The rules: offsets of a room are 1, 2, 3 ... without gaps; a user's key identifies one message of a room for ever;
timestamps never decrease within a room, even if the clock does.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from chatterbox.wire import text_rules
from chatterbox.wire.errors import MEANINGS, ChatError, Code
from chatterbox.wire.history_api import Append, Appended, AppendRefused
from chatterbox.wire.limits import Limits

Outcome: TypeAlias = Appended | AppendRefused
Spend: TypeAlias = Callable[[int], float]
"""Counts a message of a user id: 0.0 if it may be stored, else the seconds until one may."""
MayWrite: TypeAlias = Callable[[int, int, str], bool]
"""Whether the other member of a direct conversation takes messages: called with room id, user id and username."""
MEMBER, DIRECT = 1, 2
"""Values of `MessageContext.member`; anything else is not a member."""


class MessageContext(NamedTuple):
    """What is stored about a message to append: its room, its sender's membership, the earlier message with its key."""

    room: str | None
    """None: the room does not exist, and the other fields are unset."""
    epoch: str
    head: int
    last_ms: int
    member: int | None
    """`MEMBER`; `DIRECT`: of a direct conversation, whose other member may refuse the message; None: not a member."""
    earlier_id: int | None
    """None: the key is new, and the fields below are unset."""
    earlier_offset: int
    earlier_ms: int
    earlier_content: str


class MessageRow(NamedTuple):
    """A row of the messages table, in the order of its columns."""

    message_id: int
    room_id: int
    offset: int
    user_id: int
    username: str
    content: str
    timestamp_ms: int
    key: str | None


@dataclass(slots=True)
class RoomTail:
    """The end of a room: offset and time of its last message."""

    room: str
    epoch: str
    head: int
    last_ms: int


@dataclass(slots=True)
class AppendPlan:
    """The rows to write, and the outcomes to return once they are durable: one per message, in order."""

    inserts: list[MessageRow] = field(default_factory=list)
    tails: dict[int, RoomTail] = field(default_factory=dict)
    """By room id; only rooms that get messages."""
    outcomes: list[Outcome] = field(default_factory=list)
    timestamps: dict[int, str] = field(default_factory=dict)
    """The times of `inserts` as text, cached because nearly all messages of a batch share one."""


def _unlimited(_: int) -> float:
    return 0.0


def _anybody(*_: int | str) -> bool:
    return True


def plan(
    batch: Sequence[Append],
    contexts: Sequence[MessageContext],
    *,
    now_ms: int,
    last_id: int,
    limits: Limits,
    spend: Spend = _unlimited,
    may_write: MayWrite = _anybody,
) -> AppendPlan:
    """Plan `batch` in order. `contexts[i]` is about `batch[i]`; `last_id` is the last message id ever assigned."""
    planner = _Planner(now_ms, last_id, limits, spend, may_write)
    for message, context in zip(batch, contexts, strict=True):
        planner.plan.outcomes.append(planner.decide(message, context))
    return planner.plan


class _Planner:
    def __init__(self, now_ms: int, last_id: int, limits: Limits, spend: Spend, may_write: MayWrite) -> None:
        self.plan = AppendPlan()
        self._spend = spend
        self._may_write = may_write
        self._now_ms = now_ms
        self._next_id = last_id + 1
        self._limits = limits
        self._appended: dict[tuple[int, int, str], tuple[str, Appended]] = {}

    def decide(self, message: Append, context: MessageContext) -> Outcome:
        """Retries are recognised first, because the sender may have left the room since."""
        if context.room is None:
            return _refused(Code.ROOM_UNKNOWN)
        if (earlier := self._earlier(message, context)) is not None:
            content, appended = earlier
            return appended if content == message.content else _refused(Code.KEY_REUSED)
        if context.member != MEMBER and (refusal_code := self._direct_refusal(message, context)) is not None:
            return _refused(refusal_code)
        try:
            _check(message, self._limits)
        except ChatError as refusal:
            return AppendRefused(refusal.code, refusal.detail)
        if (wait_s := self._spend(message.user_id)) > 0:
            return _rate_limited(wait_s, self._limits)
        return self._append(message, context, context.room)

    def _direct_refusal(self, message: Append, context: MessageContext) -> Code | None:
        if context.member != DIRECT:
            return Code.NOT_A_MEMBER
        may_write = self._may_write(message.room_id, message.user_id, message.username)
        return None if may_write else Code.DIRECT_REFUSED

    def _earlier(self, message: Append, context: MessageContext) -> tuple[str, Appended] | None:
        if context.earlier_id is not None:
            at = (context.epoch, context.earlier_offset, context.earlier_id)
            return context.earlier_content, Appended(*at, self._timestamp(context.earlier_ms))
        return self._appended.get((message.user_id, message.room_id, message.key))

    def _append(self, message: Append, context: MessageContext, room: str) -> Appended:
        tail = self.plan.tails.get(message.room_id)
        if tail is None:
            tail = self.plan.tails[message.room_id] = RoomTail(room, context.epoch, context.head, context.last_ms)
        tail.head += 1
        tail.last_ms = max(tail.last_ms, self._now_ms)
        appended = Appended(tail.epoch, tail.head, self._next_id, self._timestamp(tail.last_ms))
        self.plan.inserts.append(_row(message, appended, tail.last_ms))
        self._next_id += 1
        if message.key:
            self._appended[message.user_id, message.room_id, message.key] = (message.content, appended)
        return appended

    def _timestamp(self, at_ms: int) -> str:
        text = self.plan.timestamps.get(at_ms)
        if text is None:
            text = self.plan.timestamps[at_ms] = text_rules.timestamp(at_ms)
        return text


def _check(message: Append, limits: Limits) -> None:
    text_rules.content(message.content, limits)
    if message.key:
        text_rules.key(message.key, limits)


def _row(message: Append, at: Appended, at_ms: int) -> MessageRow:
    sender = (message.user_id, message.username)
    return MessageRow(at.message_id, message.room_id, at.offset, *sender, message.content, at_ms, message.key or None)


def _rate_limited(wait_s: float, limits: Limits) -> AppendRefused:
    detail = f"At most {limits.sends_per_s:g} messages a second ({limits.sends_burst} at once), over all connections."
    return AppendRefused(Code.RATE_LIMITED, detail, round(wait_s, 3))


def _refused(code: Code) -> AppendRefused:
    return AppendRefused(code, MEANINGS[code].sentence)
