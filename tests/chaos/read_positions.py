"""Checks read positions: they never fall, all devices of a user know the same in the end, counts are right. Pure.

In the end of a run, each user reports a position, or all devices connect again: a signal that was lost is not repeated
before that. A restored backup, and leaving a room, start from the beginning.
"""

from collections import defaultdict
from collections.abc import Iterator
from math import inf

from chatterbox.wire.read_state import MOST_TOLD
from tests.chaos.operations import Closed, ReadInvoked, ReadTold, Stopped, Stored, StoredRead
from tests.chaos.record import Run
from tests.chaos.verdict import Fault, Invariant, Limits, Violation

MOST_COUNTED = 2000
"""Messages after a position beyond which they are not counted one by one: there are many unread ones."""
UserRoom = tuple[str, str, str]
"""Username, room, epoch."""


def read_positions_hold(run: Run, _: Limits) -> Iterator[Violation]:
    yield from _answers(run)
    yield from _stored(run)
    yield from _counts(run)


def _violation(sentence: str, fault: Fault | None = None) -> Violation:
    return Violation(Invariant.READ_STATE_HOLDS, sentence, fault)


def _place(operation: ReadInvoked | ReadTold | StoredRead) -> tuple[int, int]:
    return operation.turn, operation.offset


def _who(operation: ReadTold | StoredRead) -> UserRoom:
    return operation.username, operation.room, operation.epoch


def _left(run: Run) -> set[tuple[str, str]]:
    """Users and rooms that they left: their positions started from the beginning."""
    usernames = {each.connection: each.username for each in run.of(ReadTold)}
    return {(usernames.get(each.connection, ""), each.room) for each in run.of(Stopped)}


def _answers(run: Run) -> Iterator[Violation]:
    """The reply to a position tells one at least as great, and as all that were told before it was reported."""
    left = _left(run)
    invoked = {(each.connection, each.number): each for each in run.of(ReadInvoked)}
    highest: dict[UserRoom, list[ReadTold]] = defaultdict(list)
    for told in run.of(ReadTold):
        if (told.username, told.room) in left:
            continue
        if (report := invoked.get((told.connection, told.number or 0))) is not None:
            if _place(told) < (report.turn, min(report.offset, told.counted)):
                yield _violation(f"{told.connection} reported {_place(report)} in {told.room}, reply: {_place(told)}.")
            earlier = [each for each in highest[_who(told)] if each.at_s < report.at_s]
            is_restored = bool(earlier) and run.restored_between(earlier[-1].at_s, told.at_s)
            if earlier and not is_restored and _place(told) < _place(earlier[-1]):
                sentence = f"{told.username} was at {_place(earlier[-1])} in {told.room}, and later at {_place(told)}."
                yield _violation(sentence, Fault.REORDERED)
        if not highest[_who(told)] or _place(told) > _place(highest[_who(told)][-1]):
            highest[_who(told)].append(told)


def _stored(run: Run) -> Iterator[Violation]:
    """In the end, what is stored is the greatest position that was ever told, and all devices know it."""
    left = _left(run)
    stored = {_who(each): each for each in run.of(StoredRead)}
    read_s = min((each.at_s for each in run.of(Stored)), default=inf)
    closed = {each.connection for each in run.of(Closed) if each.at_s < read_s}
    devices: dict[tuple[str, UserRoom], tuple[int, int]] = {}
    for told in run.of(ReadTold):
        if (told.username, told.room) not in left:
            device = told.connection, _who(told)
            devices[device] = max(_place(told), devices.get(device, (0, 0)))
    for (connection, who), place in devices.items():
        in_the_end = stored.get(who)
        if in_the_end is None:
            continue
        if place > _place(in_the_end):
            sentence = f"{connection} was told {place} in {who[1]}; {_place(in_the_end)} is stored."
            yield _violation(sentence, Fault.LOST)
        elif place < _place(in_the_end) and connection not in closed:
            yield _violation(f"{connection} knows {place} in {who[1]}; {_place(in_the_end)} is stored.", Fault.GAP)


def _counts(run: Run) -> Iterator[Violation]:
    left = _left(run)
    messages: dict[tuple[str, str], list[Stored]] = defaultdict(list)
    for message in run.of(Stored):
        messages[message.room, message.epoch].append(message)
    for state in run.of(StoredRead):
        others = [
            each
            for each in messages[state.room, state.epoch]
            if state.offset < each.offset <= state.counted and each.username != state.username
        ]
        if (state.username, state.room) in left:  # mentions from before don't count any more
            mentions = state.mentions
        else:
            mentions = sum(not {state.username, "@room"}.isdisjoint(each.mentions) for each in others)
        unread, mentions = min(MOST_TOLD, len(others)), min(MOST_TOLD, mentions)
        if state.counted - state.offset <= MOST_COUNTED and (state.unread, state.mentions) != (unread, mentions):
            sentence = (
                f"{state.username} is told {state.unread} unread messages and {state.mentions} mentions in"
                f" {state.room}, and has {unread} and {mentions}."
            )
            yield _violation(sentence, Fault.UNEXPLAINED)
