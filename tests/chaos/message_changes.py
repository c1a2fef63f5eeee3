"""Checks what became of messages: acked changes are stored, pushed ones follow each other, held ones are current. Pure.

A message has independent parts: its text, each user's reaction with one emoji, whether it is pinned. Of each part, the
change with the highest rev must be in the message as stored, unless a later one may be: one without an answer, or one
acked while the backup that was restored since was being made. An erased message has none of them.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from math import inf

from tests.chaos.operations import (
    Began,
    ChangeAcked,
    ChangeInvoked,
    ChangePushed,
    ChangeRefused,
    Closed,
    Delivered,
    Kept,
    Opened,
    Stopped,
    Stored,
)
from tests.chaos.original_texts import Place
from tests.chaos.record import Run
from tests.chaos.verdict import Fault, Invariant, Limits, Violation

Part = tuple[str, ...]
"""`("text",)`, `("pinned",)` or `("reaction", emoji, username)`."""
AckedChange = tuple[ChangeInvoked, ChangeAcked]


def acked_changes_are_stored(run: Run, _: Limits) -> Iterator[Violation]:
    changes = _Changes(run)
    stored = {(each.room, each.epoch, each.offset): each for each in run.stored_as_is}
    for where, acked in changes.acked.items():
        message = stored.get(where)
        if message is not None:  # otherwise the message itself is lost
            yield from _judge_message(message, acked, changes.maybe_lost[where], changes.unknown[where])


def _judge_message(
    message: Stored, acked: list[AckedChange], maybe_lost: list[AckedChange], unknown: list[ChangeInvoked]
) -> Iterator[Violation]:
    def lost(invoked: ChangeInvoked, ack: ChangeAcked, why: str) -> Violation:
        sentence = f"{_said(invoked)} was acked as of rev {ack.rev}, {why}."
        return Violation(Invariant.ACKED_CHANGE_IS_STORED, sentence, Fault.LOST)

    last_of: dict[Part, list[AckedChange]] = defaultdict(list)
    for invoked, ack in sorted(acked, key=lambda pair: pair[1].rev):
        if ack.rev > message.rev:
            yield lost(invoked, ack, f"but the message is stored as of rev {message.rev}")
        elif invoked.did == "delete":
            if not message.deleted or message.content:
                yield lost(invoked, ack, "but the message is not erased")
        else:
            part = _part(invoked)
            if last_of[part] and last_of[part][-1][1].rev < ack.rev:
                last_of[part].clear()
            last_of[part].append((invoked, ack))
    for part, last in () if message.deleted else last_of.items():
        later = [*unknown, *(each[0] for each in maybe_lost if _may_follow(each, last[-1]))]
        possible = {_result(each) for each, _ in last} | {_result(each) for each in later if _part(each) == part}
        if (found := _found(message, part)) not in possible:
            yield lost(*last[-1], f"but {' '.join(part)} is {found!r}")


def _may_follow(change: AckedChange, before: AckedChange) -> bool:
    """Whether it may be stored after `before`, which is: revs rise, except by a restore."""
    return change[1].rev >= before[1].rev and change[1].at_s >= before[0].at_s


def _part(change: ChangeInvoked) -> Part:
    match change.did:
        case "edit":
            return ("text",)
        case "react" | "unreact":
            return "reaction", change.value, change.username
        case "pin" | "unpin":
            return ("pinned",)
        case _:
            return (change.did,)


def _result(change: ChangeInvoked) -> str | bool:
    return change.value if change.did == "edit" else change.did in {"react", "pin"}


def _found(message: Stored, part: Part) -> str | bool:
    match part:
        case ("text",):
            return message.content
        case ("reaction", emoji, username):
            return username in message.reactions.get(emoji, ())
        case _:
            return message.pinned


def _said(change: ChangeInvoked) -> str:
    return f"{change.did} of {change.room} {change.epoch}/{change.offset} by {change.username}"


class _Changes:
    """The changes of each message that is stored in the end."""

    def __init__(self, run: Run) -> None:
        self.acked: dict[Place, list[AckedChange]] = defaultdict(list)
        """Those that must be stored."""
        self.maybe_lost: dict[Place, list[AckedChange]] = defaultdict(list)
        """Those that were acked after a backup was begun which was restored: it may have them."""
        self.unknown: dict[Place, list[ChangeInvoked]] = defaultdict(list)
        """Those without an answer."""
        acks = {(each.connection, each.number): each for each in run.of(ChangeAcked)}
        refused = {(each.connection, each.number) for each in run.of(ChangeRefused) if each.final}
        for invoked in run.of(ChangeInvoked):
            number = invoked.connection, invoked.number
            in_the_end = invoked.room, run.final_epochs.get(invoked.room, invoked.epoch), invoked.offset
            if (ack := acks.get(number)) is not None:
                where = run.place_in_the_end(ack.at_s, invoked.room, invoked.epoch, invoked.offset)
                if where is not None:
                    self.acked[where].append((invoked, ack))
                else:
                    self.maybe_lost[in_the_end].append((invoked, ack))
            elif number not in refused:
                self.unknown[in_the_end].append(invoked)


@dataclass(slots=True)
class _RoomOfConnection:
    """How far a connection was told the changes of a room."""

    began: Began
    rev: int | None


def changes_join(run: Run, limits: Limits) -> Iterator[Violation]:
    """Each change begins where those before it end; and a connection that is open in the end has them all."""
    current: dict[tuple[str, str], _RoomOfConnection] = {}
    read_s = min((stored.at_s for stored in run.of(Stored)), default=inf)
    closed = {each.connection for each in run.of(Closed) if each.at_s < read_s}
    for operation in run.operations:
        match operation:
            case Began():
                current[operation.connection, operation.room] = _RoomOfConnection(operation, operation.rev)
            case Stopped():
                current.pop((operation.connection, operation.room), None)
            case ChangePushed():
                yield from _follow(current.get((operation.connection, operation.room)), operation)
    final_revs: dict[tuple[str, str], int] = defaultdict(int)
    for stored in run.of(Stored):
        final_revs[stored.room, stored.epoch] = max(stored.rev, final_revs[stored.room, stored.epoch])
    for (connection, room), state in current.items():
        final = final_revs[room, state.began.epoch]
        is_due = max(state.began.at_s, run.healed_s) + limits.on_time_s <= read_s
        if connection not in closed and is_due and state.rev is not None and state.rev < final:
            sentence = f"{connection} in {room}: was told changes up to rev {state.rev} of {final}."
            yield Violation(Invariant.CHANGES_JOIN, sentence, Fault.GAP)


def _follow(state: _RoomOfConnection | None, change: ChangePushed) -> Iterator[Violation]:
    who = f"{change.connection} in {change.room}"
    if state is None:
        yield Violation(Invariant.CHANGES_JOIN, f"{who}: rev {change.rev} comes, but nothing had begun.")
        return
    if change.rev <= change.after:
        yield Violation(Invariant.CHANGES_JOIN, f"{who}: a change goes from rev {change.after} to {change.rev}.")
    if state.rev is not None and change.after > state.rev:
        sentence = f"{who}: a change follows rev {change.after}, but it was told up to {state.rev}."
        yield Violation(Invariant.CHANGES_JOIN, sentence, Fault.GAP)
    if change.message_rev > change.rev:
        yield Violation(Invariant.CHANGES_JOIN, f"{who}: change {change.rev} has a message of {change.message_rev}.")
    state.rev = max(state.rev or 0, change.rev)


def one_state_per_rev(run: Run, _: Limits) -> Iterator[Violation]:
    """A message of one rev is the same for every observer."""
    states: dict[tuple[Place, int], int] = {}
    told: set[tuple[Place, int]] = set()
    for where, rev, checksum, who in _states(run):
        if states.setdefault((where, rev), checksum) != checksum and (where, rev) not in told:
            told.add((where, rev))
            room, epoch, offset = where
            sentence = f"{room} {epoch}/{offset} of rev {rev} is not the same for all; {who} sees it otherwise."
            yield Violation(Invariant.HELD_IS_STORED, sentence, Fault.UNEXPLAINED)


def _states(run: Run) -> Iterator[tuple[Place, int, int, str]]:
    for stored in run.of(Stored):
        yield (stored.room, stored.epoch, stored.offset), stored.rev, stored.checksum, "history"
    for delivered in run.of(Delivered):
        where = delivered.room, delivered.epoch, delivered.offset
        yield where, delivered.rev, delivered.checksum, delivered.connection
    for kept in run.of(Kept):
        yield (kept.room, kept.epoch, kept.offset), kept.rev, kept.checksum, kept.connection
    for change in run.of(ChangePushed):
        if change.offset is not None:
            yield (change.room, change.epoch, change.offset), change.message_rev, change.checksum, change.connection


def revs_are_one_message(run: Run, _: Limits) -> Iterator[Violation]:
    """One rev of a room is one change of one message, for every observer."""
    offsets: dict[tuple[str, str, int], int] = {}
    told: set[tuple[str, str, int]] = set()
    for (room, epoch, offset), rev, _checksum, who in _states(run):
        which = room, epoch, rev
        if rev and offsets.setdefault(which, offset) != offset and which not in told:
            told.add(which)
            sentence = f"Rev {rev} of {room} is of {offsets[which]} and, for {who}, of {offset}."
            yield Violation(Invariant.CHANGES_JOIN, sentence)


def held_is_stored(run: Run, _: Limits) -> Iterator[Violation]:
    """In the end, what connected readers hold is what history has."""
    stored = {(each.room, each.epoch, each.offset): each for each in run.of(Stored)}
    readers = {opened.connection: opened.reader for opened in run.of(Opened)}
    for kept in run.of(Kept):
        where = kept.room, kept.epoch, kept.offset
        message = stored.get(where)
        if message is None or (message.rev, message.checksum) == (kept.rev, kept.checksum):
            continue  # a message that is held but not stored breaks other invariants
        sentence = (
            f"{readers.get(kept.connection, kept.connection)} holds {kept.room} {kept.epoch}/{kept.offset} of rev"
            f" {kept.rev}; it is stored as of rev {message.rev}."
        )
        yield Violation(Invariant.HELD_IS_STORED, sentence, Fault.UNEXPLAINED)
