"""Decides which messages of a batch are stored, at which offsets, and with which outcomes. Pure.

The rules: offsets of a room are 1, 2, 3 ... without gaps; a user's key identifies one message of a room for ever;
timestamps never decrease within a room, even if the clock does.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

import msgspec

from chatterbox.wire import text_rules
from chatterbox.wire.encryption.policy import DEFAULT_POLICY, EncryptionPolicy
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.frames import AttachedFile
from chatterbox.wire.history_api import Append, Appended, AppendRefused
from chatterbox.wire.limits import Limits
from services.history.core import stored_message
from services.history.core.change_plan import ChangePlan, ChangePlanner
from services.history.core.message_mentions import MessageMentions
from services.history.core.outcomes import (
    MEMBER,
    MayWrite,
    Mentions,
    Spend,
    anybody,
    direct_refusal,
    encryption_refusal,
    no_mentions,
    rate_limited,
    refused,
    unlimited,
)
from services.history.core.stored_message import StoredMessage
from services.history.core.unbound_files import NO_FILES, FileBinder
from services.history.encryption.core.recipient_check import NONE_ENCRYPTED, RecipientCheck

Outcome: TypeAlias = Appended | AppendRefused


class MessageContext(NamedTuple):
    """What is stored about a message to append: its room, its sender's membership, the earlier message with its key."""

    room: str | None
    """None: the room does not exist, and the other fields are unset."""
    epoch: str
    head: int
    last_ms: int
    member: int | None
    """`MEMBER`, or another of these numbers: the other member of a direct conversation may refuse the message, and
    encrypted rooms take encrypted ones only. None: not a member."""
    earlier_id: int | None
    """None: the key is new, and the fields below are unset."""
    earlier_offset: int
    earlier_ms: int
    earlier_content: str | None
    """None: it was edited or deleted since, and can't be compared."""
    rev: int = 0
    """The room's."""
    earlier_thread: int | None = None
    earlier_extra: str | None = None


class MessageRow(NamedTuple):
    """A new row of the messages table, in the order of its first columns."""

    message_id: int
    room_id: int
    offset: int
    user_id: int
    username: str
    content: str
    timestamp_ms: int
    key: str | None


class Relations(NamedTuple):
    """What few new messages have: the message that they answer, their thread, and mentions and files (JSON)."""

    reply_to: int | None
    thread: int | None
    extra: str | None


@dataclass(slots=True)
class RoomTail:
    """The end of a room: offset and time of its last message."""

    room: str
    epoch: str
    head: int
    last_ms: int
    rev: int = 0
    """The room's rev before these messages: what they change follows it."""


@dataclass(slots=True)
class AppendPlan:
    """The rows to write, and the outcomes to return once they are durable: one per message, in order."""

    inserts: list[MessageRow] = field(default_factory=list)
    tails: dict[int, RoomTail] = field(default_factory=dict)
    """By room id; only rooms that get messages."""
    outcomes: list[Outcome] = field(default_factory=list)
    timestamps: dict[int, str] = field(default_factory=dict)
    """The times of `inserts` as text, cached because nearly all messages of a batch share one."""
    relations: dict[int, Relations] = field(default_factory=dict)
    """By message id, of those among `inserts` that have any."""
    mentions: list[MessageMentions] = field(default_factory=list)
    """Of those among `inserts` that mention members."""
    files: dict[str, int] = field(default_factory=dict)
    """Message ids by the ids of their files, of those among `inserts` that have any."""
    changed_people: list[int] = field(default_factory=list)
    """The users whose profile or privacy changed."""
    erased_files: list[int] = field(default_factory=list)
    """The ids of rows of files that the transaction deleted."""
    changes: ChangePlan | None = None
    """What becomes of messages; None: nothing."""


def plan(
    batch: Sequence[Append],
    contexts: Sequence[MessageContext],
    *,
    now_ms: int,
    last_id: int,
    limits: Limits,
    spend: Spend = unlimited,
    mentions: Mentions = no_mentions,
    changes: ChangePlanner | None = None,
    may_write: MayWrite = anybody,
    files: FileBinder = NO_FILES,
    recipients: RecipientCheck = NONE_ENCRYPTED,
    policy: EncryptionPolicy = DEFAULT_POLICY,
) -> AppendPlan:
    """Plan `batch` in order. `contexts[i]` is about `batch[i]`; `last_id` is the last message id ever assigned.

    `changes` has planned the changes of the same transaction, and knows the messages that are answered. `files`
    binds the files of `batch`, and `recipients` checks what of it is encrypted.
    """
    planner = _Planner(now_ms, last_id, limits, spend, mentions, changes, may_write, files, recipients, policy)
    for message, context in zip(batch, contexts, strict=True):
        planner.plan.outcomes.append(planner.decide(message, context))
    return planner.plan


class _Planner:
    def __init__(
        self,
        now_ms: int,
        last_id: int,
        limits: Limits,
        spend: Spend,
        mentions: Mentions,
        changes: ChangePlanner | None,
        may_write: MayWrite,
        files: FileBinder,
        recipients: RecipientCheck,
        policy: EncryptionPolicy,
    ) -> None:
        self.plan = AppendPlan(changes=None if changes is None else changes.plan)
        self._files = files
        self._recipients = recipients
        self._policy = policy
        self._spend = spend
        self._mentions = mentions
        self._changes = changes
        self._may_write = may_write
        self._now_ms = now_ms
        self._next_id = last_id + 1
        self._limits = limits
        self._appended: dict[tuple[int, int, str], tuple[Append, Appended]] = {}
        self._writers: dict[tuple[int, int, str], bool] = {}
        """Answers of `may_write`, which do not change within a transaction."""

    def decide(self, message: Append, context: MessageContext) -> Outcome:
        """Retries are recognised first, because the sender may have left the room since."""
        if context.room is None:
            return refused(Code.ROOM_UNKNOWN)
        if (earlier := self._earlier(message, context)) is not None:
            return earlier
        is_special = context.member != MEMBER or message.recipients
        if is_special and (code := self._refusal(message, context.member)) is not None:
            return refused(code)
        try:
            self._check(message)
            if message.files:
                self._files.require(message)
        except ChatError as refusal:
            return AppendRefused(refusal.code, refusal.detail)
        if message.reply_to and self._thread(message) is None:
            return refused(Code.MESSAGE_UNKNOWN, "The message that this one answers does not exist.")
        if (wait_s := self._spend(message.user_id)) > 0:
            return rate_limited(wait_s, self._limits)
        return self._append(message, context, context.room)

    def _refusal(self, message: Append, member: int | None) -> Code | None:
        """Why this user may not write in the room, or not so."""
        author = (message.room_id, message.user_id, message.username)
        code = None if member == MEMBER else direct_refusal(member, self._takes, *author)
        return code or encryption_refusal(member, message.recipients, self._policy)

    def _takes(self, room_id: int, user_id: int, username: str) -> bool:
        """Whether the other member of a direct conversation takes messages of this one; asked once."""
        author = (room_id, user_id, username)
        if author not in self._writers:
            self._writers[author] = self._may_write(*author)
        return self._writers[author]

    def _earlier(self, message: Append, context: MessageContext) -> Outcome | None:
        """The outcome for a key that has a message already; an edited or deleted one can't be compared."""
        if context.earlier_id is not None:
            at = (context.epoch, context.earlier_offset, context.earlier_id)
            extra = stored_message.extra_of(context.earlier_extra)
            is_same = context.earlier_content is None or (
                context.earlier_content == message.content and tuple(file.id for file in extra.files) == message.files
            )
            told = (context.earlier_thread or 0, extra.mentions, extra.files)
            earlier = Appended(*at, self._timestamp(context.earlier_ms), *told)
            return earlier if is_same else refused(Code.KEY_REUSED)
        found = self._appended.get((message.user_id, message.room_id, message.key))
        if found is None:
            return None
        first, appended = found
        is_same = first.content == message.content and first.files == message.files
        return appended if is_same else refused(Code.KEY_REUSED)

    def _thread(self, message: Append) -> int | None:
        return None if self._changes is None else self._changes.thread(message.room_id, message.reply_to)

    def _check(self, message: Append) -> None:
        """Raise `ChatError` for a message that is malformed, or encrypted for others than those who can read it now."""
        if message.files:
            text_rules.file_ids(message.files, self._limits)
        if message.recipients:
            used = self._recipients.parse(message.content)
            self._recipients.require(message.room_id, message.user_id, used, message.recipients)
        elif message.files:
            text_rules.caption(message.content, self._limits)
        else:
            text_rules.content(message.content, self._limits)
        if message.key:
            text_rules.key(message.key, self._limits)

    def _append(self, message: Append, context: MessageContext, room: str) -> Appended:
        tail = self.plan.tails.get(message.room_id)
        if tail is None:
            tail = self.plan.tails[message.room_id] = self._tail(message.room_id, context, room)
        tail.head += 1
        tail.last_ms = max(tail.last_ms, self._now_ms)
        appended = Appended(tail.epoch, tail.head, self._next_id, self._timestamp(tail.last_ms))
        if message.reply_to or "@" in message.content or message.files:
            appended = self._related(message, appended)
        row = MessageRow(
            self._next_id,
            message.room_id,
            tail.head,
            message.user_id,
            message.username,
            message.content,
            tail.last_ms,
            message.key or None,
        )
        self.plan.inserts.append(row)
        if self._changes is not None:
            self._follow(row, self._changes)
        self._next_id += 1
        if message.key:
            self._appended[message.user_id, message.room_id, message.key] = (message, appended)
        return appended

    def _tail(self, room_id: int, context: MessageContext, room: str) -> RoomTail:
        rev = None if self._changes is None else self._changes.rev(room_id)
        return RoomTail(room, context.epoch, context.head, context.last_ms, context.rev if rev is None else rev)

    def _related(self, message: Append, appended: Appended) -> Appended:
        """The ack with the message's thread, mentions and files, which are bound to it."""
        thread = self._thread(message) if message.reply_to else None
        found = self._mentions(message.room_id, message.user_id, message.content) if "@" in message.content else ()
        files = self._bound(message, appended.message_id) if message.files else ()
        if thread is None and not found and not files:
            return appended
        extra = stored_message.extra_json(found, files)
        self.plan.relations[appended.message_id] = Relations(message.reply_to or None, thread, extra)
        if found:
            self.plan.mentions.append(MessageMentions(message.room_id, appended.offset, message.user_id, found))
        return msgspec.structs.replace(appended, thread=thread or 0, mentions=found, files=files)

    def _bound(self, message: Append, message_id: int) -> tuple[AttachedFile, ...]:
        self.plan.files |= dict.fromkeys(message.files, message_id)
        return self._files.bind(message)

    def _follow(self, row: MessageRow, changes: ChangePlanner) -> None:
        """Later messages may answer this one; and if it is a reply, it is counted where its thread begins."""
        relations = self.plan.relations.get(row.message_id)
        changes.add(row.room_id, _stored(row, relations))
        if relations is not None and relations.thread is not None:
            changes.count_reply(row.room_id, relations.thread, row.username)

    def _timestamp(self, at_ms: int) -> str:
        text = self.plan.timestamps.get(at_ms)
        if text is None:
            text = self.plan.timestamps[at_ms] = text_rules.timestamp(at_ms)
        return text


def _stored(row: MessageRow, relations: Relations | None) -> StoredMessage:
    plain = StoredMessage(row.offset, row.message_id, row.user_id, row.username, row.content, row.timestamp_ms)
    return plain if relations is None else plain._replace(**relations._asdict())
