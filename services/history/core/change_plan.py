"""Decides what becomes of messages: edits, deletions, reactions, pins, and replies to them. Pure.

The rules: a room's rev grows by one for each message that a transaction changes, and is then the rev of that message.
A change that leaves a message as it is succeeds without a new rev, so every change may be repeated.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias, assert_never

from chatterbox.wire import text_rules
from chatterbox.wire.encryption.policy import DEFAULT_POLICY, EncryptionPolicy
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.frames import Reaction
from chatterbox.wire.history_api import (
    AnyMessageChange,
    AppendRefused,
    ChangeStored,
    MessageDeletion,
    MessageEdit,
    MessagePin,
    MessageReaction,
)
from chatterbox.wire.limits import Limits
from services.history.core import stored_message
from services.history.core.message_mentions import MessageMentions
from services.history.core.outcomes import (
    MEMBER,
    MayWrite,
    Mentions,
    Spend,
    anybody,
    direct_refusal,
    encryption_refusal,
    is_encrypted,
    no_mentions,
    rate_limited,
    refused,
    unlimited,
)
from services.history.core.stored_message import StoredMessage
from services.history.encryption.core import reaction_envelopes
from services.history.encryption.core.recipient_check import NONE_ENCRYPTED, RecipientCheck

ChangeOutcome: TypeAlias = ChangeStored | AppendRefused
Reactors: TypeAlias = Callable[[int, str, int], Sequence[tuple[int, str]]]
"""Reads the ids and names of users who reacted to a message id with an emoji, in order; at most the given number."""

NAMED = 8
"""Users that a reaction names."""
_PLACES = 2**20
"""More than the changes of one transaction."""


@dataclass(slots=True)
class ChangeRoom:
    """A room whose messages are changed, as it is in the transaction so far."""

    room: str
    epoch: str
    rev: int
    members: int
    created_by: int | None
    pins: int
    """Its pinned messages."""


class ChangeContext(NamedTuple):
    """What is stored about a change: its author's membership, and whether they have reacted with its emoji."""

    member: int | None
    has_reacted: bool = False


class PlannedChange(NamedTuple):
    """A message as the transaction leaves it, and what happened to it last."""

    message: StoredMessage
    by: str
    did: str
    what: str


class NewReaction(NamedTuple):
    """A reaction to store; `place` orders the reactions of a message."""

    place: int
    username: str


@dataclass(slots=True)
class ChangePlan:
    """What to write, and the outcomes to return once it is durable: one per change, in order."""

    outcomes: list[ChangeOutcome] = field(default_factory=list)
    changed: dict[int, dict[int, PlannedChange]] = field(default_factory=dict)
    """By room id, then by offset, in the order of revs."""
    rooms: dict[int, ChangeRoom] = field(default_factory=dict)
    """The rooms in `changed`, as the transaction leaves them."""
    reactions: dict[tuple[int, str, int], NewReaction | None] = field(default_factory=dict)
    """By message id, emoji and user id; None: delete it."""
    erased: list[int] = field(default_factory=list)
    """The ids of deleted messages, whose reactions are deleted as well."""
    mentions: dict[tuple[int, int], MessageMentions] = field(default_factory=dict)
    """By room id and offset, of messages that mentioned members before their text was replaced, or do now."""
    rewritten: list[int] = field(default_factory=list)
    """The ids of messages whose text, or a user's encrypted reactions, are overwritten or deleted."""
    without_files: list[int] = field(default_factory=list)
    """The ids of deleted messages that had files."""


def _no_reactors(_message_id: int, _emoji: str, _limit: int) -> Sequence[tuple[int, str]]:
    return ()


class ChangePlanner:
    """Plans the changes of one transaction, then the replies among its messages."""

    def __init__(
        self,
        rooms: Mapping[int, ChangeRoom],
        messages: Mapping[tuple[int, int], StoredMessage],
        *,
        now_ms: int,
        limits: Limits,
        spend: Spend = unlimited,
        mentions: Mentions = no_mentions,
        reactors: Reactors = _no_reactors,
        may_write: MayWrite = anybody,
        recipients: RecipientCheck = NONE_ENCRYPTED,
        policy: EncryptionPolicy = DEFAULT_POLICY,
    ) -> None:
        """`messages` by room id and offset: those to change or answer, and the first ones of these threads.
        `recipients` checks what is encrypted.
        """
        self.plan = ChangePlan()
        self._rooms = dict(rooms)
        self._messages = dict(messages)
        self._now_ms = now_ms
        self._limits = limits
        self._spend = spend
        self._mentions = mentions
        self._reactors = reactors
        self._may_write = may_write
        self._recipients = recipients
        self._policy = policy

    def decide(self, change: AnyMessageChange, context: ChangeContext) -> ChangeOutcome:
        """Plan one change; the outcome is also kept in the plan."""
        outcome = self._outcome(change, context)
        self.plan.outcomes.append(outcome)
        return outcome

    def _outcome(self, change: AnyMessageChange, context: ChangeContext) -> ChangeOutcome:
        room = self._rooms.get(change.room_id)
        if room is None:
            return refused(Code.ROOM_UNKNOWN)
        if context.member != MEMBER:
            may_write = anybody if _takes_away(change) else self._may_write
            author = (change.room_id, change.user_id, change.username)
            if (code := direct_refusal(context.member, may_write, *author)) is not None:
                return refused(code)
        if (code := self._encryption_refusal(change, context.member)) is not None:
            return refused(code)
        message = self._messages.get((change.room_id, change.offset))
        if message is None or change.epoch not in {"", room.epoch}:
            return refused(Code.MESSAGE_UNKNOWN)
        try:
            self._check(change, room, message, encrypted=is_encrypted(context.member))
            if (wait_s := self._spend(change.user_id)) > 0:
                return rate_limited(wait_s, self._limits)
            return ChangeStored(self._apply(change, context, room, message))
        except ChatError as refusal:
            return AppendRefused(refusal.code, refusal.detail)

    def _encryption_refusal(self, change: AnyMessageChange, member: int | None) -> Code | None:
        """Why a change may not be made, encrypted or not as it is; one that only takes away has no content."""
        match change:
            case MessageEdit():
                return encryption_refusal(member, change.recipients, self._policy)
            case MessageReaction() if change.remove:
                return Code.ROOM_ENCRYPTED if is_encrypted(member) and change.emoji else None
            case MessageReaction() if is_encrypted(member) and change.emoji:
                return Code.ROOM_ENCRYPTED
            case MessageReaction():
                # reactions that are not encrypted stay possible where new messages must be
                return encryption_refusal(member, change.recipients, EncryptionPolicy.ALLOWED)
            case MessageDeletion() | MessagePin():
                return None
            case _:
                assert_never(change)

    def _check(self, change: AnyMessageChange, room: ChangeRoom, message: StoredMessage, *, encrypted: bool) -> None:
        """Raise `ChatError` if this user may not make this change, or it is not valid."""
        is_author = change.user_id == message.user_id
        is_creator = change.user_id == room.created_by
        match change:
            case MessageEdit():
                if not is_author:
                    raise ChatError(Code.NOT_YOURS, "Only its author can edit a message.")
                _require_text(message)
                self._check_age(message)
                self._check_text(change, message, encrypted=encrypted)
            case MessageDeletion():
                if not (is_author or is_creator):
                    raise ChatError(
                        Code.NOT_ALLOWED, "Only its author and the creator of the room can delete a message."
                    )
            case MessageReaction():
                if not change.remove:
                    _require_text(message)
                if not encrypted:
                    text_rules.reaction(change.emoji, self._limits)
                elif not change.remove:
                    self._check_reactions(change, message)
            case MessagePin():
                if not (is_creator or (is_author and room.members <= self._limits.call_members)):
                    raise ChatError(Code.NOT_ALLOWED, self._who_may_pin())
                if not change.remove:
                    _require_text(message)
            case _:
                assert_never(change)

    def _check_text(self, change: MessageEdit, message: StoredMessage, *, encrypted: bool) -> None:
        """The same content again may be a retry: who can read the room may have changed since it was stored."""
        if encrypted:
            used = self._recipients.parse(change.content)
            if change.content != message.content:
                self._recipients.require(change.room_id, change.user_id, used, change.recipients)
            return
        check_text = text_rules.caption if stored_message.files(message.extra) else text_rules.content
        check_text(change.content, self._limits)

    def _check_reactions(self, change: MessageReaction, message: StoredMessage) -> None:
        used = self._recipients.parse_reactions(change.envelope)
        before = reaction_envelopes.of_user(stored_message.reactions(message.marks), change.username)
        if before is None or before.envelope != change.envelope:
            self._recipients.require(change.room_id, change.user_id, used, change.recipients)

    def _check_age(self, message: StoredMessage) -> None:
        if 0 < self._limits.edit_s * 1000 < self._now_ms - message.timestamp_ms:
            raise ChatError(Code.TOO_LATE, f"A message can be edited for {self._limits.edit_s} s.")

    def _who_may_pin(self) -> str:
        return (
            "Only the creator of the room can pin messages; in a room of up to "
            f"{self._limits.call_members} members, authors can pin their own."
        )

    def _apply(self, change: AnyMessageChange, context: ChangeContext, room: ChangeRoom, message: StoredMessage) -> int:
        """Plan the change; returns the rev of the message. Raises `ChatError`."""
        match change:
            case MessageEdit():
                changed, did, what = self._edited(change, message), "edit", ""
            case MessageDeletion():
                changed, did, what = self._deleted(change, room, message), "delete", ""
            case MessageReaction():
                if is_encrypted(context.member):
                    changed, what = self._reacted_encrypted(change, room, message), ""
                else:
                    changed, what = self._reacted(change, context, room, message), change.emoji
                did = "unreact" if change.remove else "react"
            case MessagePin():
                changed, what = self._pinned(change, room, message), ""
                did = "unpin" if change.remove else "pin"
            case _:
                assert_never(change)
        if changed is message:
            return message.rev
        return self._record(change.room_id, PlannedChange(changed, change.username, did, what))

    def _edited(self, change: MessageEdit, message: StoredMessage) -> StoredMessage:
        """The same text again is checked first: it may be a retry, whose `rev` is that of before."""
        if change.content == message.content:
            return message
        if change.rev is not None and message.rev > change.rev:
            raise ChatError(Code.CHANGED_MEANWHILE)
        self.plan.rewritten.append(message.message_id)
        found = self._mentions(change.room_id, change.user_id, change.content) if "@" in change.content else ()
        self._mention(change.room_id, message, found)
        extra = stored_message.extra_json(found, stored_message.files(message.extra))
        return message._replace(content=change.content, edited_ms=self._now_ms, extra=extra)

    def _deleted(self, change: MessageDeletion, room: ChangeRoom, message: StoredMessage) -> StoredMessage:
        if message.deleted_ms is not None:
            return message
        self.plan.rewritten.append(message.message_id)
        self.plan.erased.append(message.message_id)
        if stored_message.files(message.extra):
            self.plan.without_files.append(message.message_id)
        for reaction in [each for each in self.plan.reactions if each[0] == message.message_id]:
            del self.plan.reactions[reaction]
        if message.pinned_ms is not None:
            room.pins -= 1
        self._mention(change.room_id, message, ())
        return message._replace(
            content="",
            edited_ms=None,
            deleted_ms=self._now_ms,
            deleted_by=change.username,
            pinned_ms=None,
            pinned_by=None,
            marks=None,
            extra=None,
        )

    def _mention(self, room_id: int, before: StoredMessage, found: tuple[str, ...]) -> None:
        if found or before.extra is not None:
            place = (room_id, before.offset)
            self.plan.mentions[place] = MessageMentions(*place, before.user_id, found)

    def _reacted(
        self, change: MessageReaction, context: ChangeContext, room: ChangeRoom, message: StoredMessage
    ) -> StoredMessage:
        place = (message.message_id, change.emoji, change.user_id)
        has_reacted = message.deleted_ms is None and (
            self.plan.reactions[place] is not None if place in self.plan.reactions else context.has_reacted
        )
        if has_reacted != change.remove:
            return message
        found = {reaction.emoji: reaction for reaction in stored_message.reactions(message.marks)}
        before = found.get(change.emoji, Reaction(emoji=change.emoji, n=0, by=()))
        if change.remove:
            self.plan.reactions[place] = None
            after = self._taken_back(message.message_id, before, change.username)
        else:
            if before.n == 0 and len(found) >= self._limits.reactions_per_message:
                raise ChatError(Code.TOO_MANY_REACTIONS)
            number = self._rev(change.room_id, room, message) * _PLACES + len(self.plan.outcomes)
            self.plan.reactions[place] = NewReaction(number, change.username)
            by = before.by if len(before.by) == NAMED else (*before.by, change.username)
            after = Reaction(emoji=change.emoji, n=before.n + 1, by=by)
        found[change.emoji] = after
        kept = tuple(reaction for reaction in found.values() if reaction.n)
        return message._replace(marks=stored_message.marks(kept))

    def _reacted_encrypted(self, change: MessageReaction, room: ChangeRoom, message: StoredMessage) -> StoredMessage:
        """All reactions of a user to the message are one envelope, which replaces the one before."""
        found = stored_message.reactions(message.marks)
        before = reaction_envelopes.of_user(found, change.username)
        if before is None and change.remove:
            return message
        if before is not None and before.envelope == change.envelope:
            return message
        if before is None and len(found) >= self._limits.reactions_per_message:
            raise ChatError(Code.TOO_MANY_REACTIONS)
        if before is not None:
            self.plan.rewritten.append(message.message_id)
        place = (message.message_id, "", change.user_id)
        number = self._rev(change.room_id, room, message) * _PLACES + len(self.plan.outcomes)
        self.plan.reactions[place] = None if change.remove else NewReaction(number, change.username)
        kept = reaction_envelopes.replaced(found, change.username, "" if change.remove else change.envelope)
        return message._replace(marks=stored_message.marks(kept))

    def _taken_back(self, message_id: int, before: Reaction, username: str) -> Reaction:
        """The reaction without one user. The next one in order takes their place among those that are named."""
        by = tuple(name for name in before.by if name != username)
        if len(by) < NAMED <= before.n - 1:
            by = tuple(self._first(message_id, before.emoji))
        return Reaction(emoji=before.emoji, n=before.n - 1, by=by)

    def _first(self, message_id: int, emoji: str) -> list[str]:
        planned = {
            user_id: new
            for (of, with_emoji, user_id), new in self.plan.reactions.items()
            if (of, with_emoji) == (message_id, emoji)
        }
        stored = self._reactors(message_id, emoji, NAMED + len(planned))
        kept = [username for user_id, username in stored if user_id not in planned]
        added = sorted(new for new in planned.values() if new is not None)
        return [*kept, *(new.username for new in added)][:NAMED]

    def _pinned(self, change: MessagePin, room: ChangeRoom, message: StoredMessage) -> StoredMessage:
        is_pinned = message.pinned_ms is not None
        if is_pinned != change.remove:
            return message
        if change.remove:
            room.pins -= 1
            return message._replace(pinned_ms=None, pinned_by=None)
        if room.pins >= self._limits.pins_per_room:
            raise ChatError(Code.TOO_MANY_PINS)
        room.pins += 1
        return message._replace(pinned_ms=self._now_ms, pinned_by=change.username)

    def _rev(self, room_id: int, room: ChangeRoom, message: StoredMessage) -> int:
        """The rev of a message once it is changed: one for all changes of this transaction."""
        is_changed = message.offset in self.plan.changed.get(room_id, ())
        return message.rev if is_changed else room.rev + 1

    def _record(self, room_id: int, change: PlannedChange) -> int:
        room = self._rooms[room_id]
        rev = self._rev(room_id, room, change.message)
        room.rev = max(room.rev, rev)
        message = change.message._replace(rev=rev)
        self._messages[room_id, message.offset] = message
        self.plan.rooms[room_id] = room
        self.plan.changed.setdefault(room_id, {})[message.offset] = change._replace(message=message)
        return rev

    # Replies

    def rev(self, room_id: int) -> int | None:
        """The rev of a room so far; None if it is not known here."""
        room = self._rooms.get(room_id)
        return None if room is None else room.rev

    def thread(self, room_id: int, reply_to: int) -> int | None:
        """The first message of the thread that a reply to offset `reply_to` is in; None if there is no such message."""
        message = self._messages.get((room_id, reply_to))
        return None if message is None else message.thread or reply_to

    def add(self, room_id: int, message: StoredMessage) -> None:
        """A message of this transaction, which later ones may answer."""
        self._messages[room_id, message.offset] = message

    def count_reply(self, room_id: int, thread: int, username: str) -> None:
        """Plan what a reply changes: the number of replies of the first message of its thread."""
        root = self._messages[room_id, thread]
        self._record(room_id, PlannedChange(root._replace(replies=root.replies + 1), username, "reply", ""))


def _takes_away(change: AnyMessageChange) -> bool:
    """Whether it only takes away what its author wrote before: that is no message to anybody."""
    return isinstance(change, MessageDeletion) or (isinstance(change, MessageReaction | MessagePin) and change.remove)


def _require_text(message: StoredMessage) -> None:
    if message.deleted_ms is not None:
        raise ChatError(Code.MESSAGE_DELETED)
