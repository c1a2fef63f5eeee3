"""Faults put into a clean history, each as a server with that fault would have left it. Each takes the history and a
source of chance, and returns a history that breaks one promise at least."""

import random
from collections import defaultdict
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import TypeVar

from msgspec.structs import replace

from tests.chaos.operations import (
    Acked,
    AnyOperation,
    Began,
    Closed,
    Delivered,
    Ended,
    Healed,
    Invoked,
    Opened,
    Operation,
    Refused,
    Stored,
    Unknown,
    Used,
)
from tests.unit.chaos.histories import History

Damage = Callable[[History, random.Random], History]
Kind = TypeVar("Kind", bound=Operation)
Placed = Acked | Delivered | Stored


def each(history: History, kind: type[Kind]) -> list[Kind]:
    return [operation for operation in history if isinstance(operation, kind)]


def without(history: History, *gone: AnyOperation) -> History:
    return [operation for operation in history if not any(operation is one for one in gone)]


def instead(history: History, old: AnyOperation, *new: AnyOperation) -> History:
    return [one for operation in history for one in (new if operation is old else (operation,))]


def swapped(history: History, first: AnyOperation, second: AnyOperation) -> History:
    """Each at the other's place and time."""
    early, late = replace(second, at_s=first.at_s), replace(first, at_s=second.at_s)
    return instead(instead(history, second, late), first, early)


def streams(history: History) -> list[tuple[Began, list[Delivered]]]:
    """Each `Began`, with what came live after it."""
    found: dict[tuple[str, str], tuple[Began, list[Delivered]]] = {}
    for operation in history:
        if isinstance(operation, Began):
            found[operation.connection, operation.room] = (operation, [])
        elif isinstance(operation, Delivered) and not operation.paged:
            found[operation.connection, operation.room][1].append(operation)
    return list(found.values())


def resumed(history: History) -> list[tuple[Began, list[Delivered]]]:
    return [(began, live) for began, live in streams(history) if began.since == began.offset and len(live) > 1]


def pages(history: History) -> list[list[Delivered]]:
    found: dict[tuple[str, str, float], list[Delivered]] = defaultdict(list)
    for message in each(history, Delivered):
        if message.paged:
            found[message.connection, message.room, message.at_s].append(message)
    return [page for page in found.values() if len(page) > 2]


def open_in_the_end(history: History) -> list[tuple[Began, list[Delivered]]]:
    """The streams of connections that never close and got something, before the heal or after it."""
    closed = {one.connection for one in each(history, Closed)}
    return [(began, live) for began, live in streams(history) if began.connection not in closed and live]


# What is stored


def lose_an_acked_message(history: History, chance: random.Random) -> History:
    acked = {ack.content for ack in each(history, Acked)}
    return without(history, chance.choice([one for one in each(history, Stored) if one.content in acked]))


def lose_a_whole_room(history: History, chance: random.Random) -> History:
    return without(history, *(one for one in each(history, Stored) if one.room == "room0"))


def ack_at_another_offset(history: History, chance: random.Random) -> History:
    ack = chance.choice(each(history, Acked))
    return instead(history, ack, replace(ack, offset=ack.offset + 1))


def leave_a_hole_in_the_store(history: History, chance: random.Random) -> History:
    return without(history, chance.choice([one for one in each(history, Stored) if one.offset == 5]))


def store_a_message_twice(history: History, chance: random.Random) -> History:
    last = [one for one in each(history, Stored) if one.room == "room0"][-1]
    again = chance.choice([one for one in each(history, Stored) if one.room == "room0"])
    return instead(history, last, last, replace(again, offset=last.offset + 1))


def give_an_offset_twice(history: History, chance: random.Random) -> History:
    first, second = chance.choice(list(pairwise([one for one in each(history, Stored) if one.room == "room0"])))
    return instead(history, second, replace(second, offset=first.offset))


def read_history_out_of_order(history: History, chance: random.Random) -> History:
    return swapped(history, *chance.choice(list(pairwise(one for one in each(history, Stored) if one.room == "room0"))))


def tell_two_readers_two_messages(history: History, chance: random.Random) -> History:
    message = chance.choice(each(history, Delivered))
    other = chance.choice([one for one in each(history, Stored) if one.content != message.content])
    return instead(history, message, replace(message, content=other.content, username=other.username))


def name_another_author(history: History, chance: random.Random) -> History:
    message = chance.choice(each(history, Stored))
    return instead(history, message, replace(message, username="mallory"))


# Streams


def drop_a_live_message(history: History, chance: random.Random) -> History:
    _, live = chance.choice([stream for stream in streams(history) if len(stream[1]) > 2])
    return without(history, chance.choice(live[1:-1]))


def swap_live_messages(history: History, chance: random.Random) -> History:
    _, live = chance.choice([stream for stream in streams(history) if len(stream[1]) > 1])
    return swapped(history, *chance.choice(list(pairwise(live))))


def tell_a_live_message_again(history: History, chance: random.Random) -> History:
    _, live = chance.choice([stream for stream in streams(history) if len(stream[1]) > 1])
    message, last = chance.choice(live), live[-1]
    return instead(history, last, last, replace(message, at_s=last.at_s))


def tell_what_no_stream_began_for(history: History, chance: random.Random) -> History:
    began, _ = chance.choice([stream for stream in streams(history) if stream[1] and stream[0].since is None])
    return without(history, began)


def swap_in_a_page(history: History, chance: random.Random) -> History:
    return swapped(history, *chance.choice(list(pairwise(chance.choice(pages(history))))))


def leave_a_hole_in_a_page(history: History, chance: random.Random) -> History:
    return without(history, chance.choice(chance.choice(pages(history))[1:-1]))


def lose_the_last_before_the_line_breaks(history: History, chance: random.Random) -> History:
    """The reader resumes from a message that it was never told of."""
    began, _ = chance.choice([one for one in resumed(history) if before(history, one[0])])
    return without(history, before(history, began)[-1])


def before(history: History, began: Began) -> list[Delivered]:
    """What came live to the same reader, with the offset that it resumed from."""
    reader = began.connection.partition("/")[0]
    return [
        one
        for one in each(history, Delivered)
        if one.connection.startswith(f"{reader}/") and one.connection != began.connection and not one.paged
        and (one.room, one.epoch, one.offset) == (began.room, began.epoch, began.since)
    ]  # fmt: skip


def resume_later_than_asked(history: History, chance: random.Random) -> History:
    began, live = chance.choice(resumed(history))
    return instead(without(history, live[0]), began, replace(began, offset=began.offset + 1))


def resume_earlier_than_asked(history: History, chance: random.Random) -> History:
    began, _ = chance.choice([one for one in resumed(history) if one[0].offset > 0])
    return instead(history, began, replace(began, offset=began.offset - 1))


def skip_what_a_resume_is_for(history: History, chance: random.Random) -> History:
    _, live = chance.choice(resumed(history))
    return without(history, live[0])


def forget_that_a_reader_was_there(history: History, chance: random.Random) -> History:
    began, live = chance.choice(resumed(history))
    return instead(without(history, live[0]), began, replace(began, offset=began.offset + 1, since=None))


def leave_out_the_pages_of_a_resume(history: History, chance: random.Random) -> History:
    began = chance.choice([one for one in each(history, Began) if one.since is not None and one.offset > one.since])
    return [
        one
        for one in history
        if not (
            isinstance(one, Delivered) and one.paged and (one.connection, one.at_s) == (began.connection, began.at_s)
        )
    ]


# What was sent


def show_what_nobody_sent(history: History, chance: random.Random) -> History:
    content = chance.choice(each(history, Stored)).content
    return without(history, *(one for one in each(history, Invoked) if one.content == content))


def store_what_was_refused_for_good(history: History, chance: random.Random) -> History:
    content = chance.choice(each(history, Stored)).content
    return list(_refused(history, content))


def _refused(history: History, content: str) -> Iterator[AnyOperation]:
    for one in history:
        if isinstance(one, Acked | Refused | Unknown) and one.content == content:
            yield Refused(
                at_s=one.at_s, connection=one.connection, room=one.room, content=content, code="forbidden", final=True
            )
        else:
            yield one


def tell_a_message_at_two_places(history: History, chance: random.Random) -> History:
    message = chance.choice(each(history, Delivered))
    return [*history, replace(message, at_s=history[-1].at_s, offset=100_000, paged=True)]


def ack_a_retry_with_another_position(history: History, chance: random.Random) -> History:
    ack = chance.choice(each(history, Acked))
    again = replace(ack, at_s=ack.at_s + 0.001, offset=ack.offset + 1)
    return instead(history, ack, ack, again)


def order_against_real_time(history: History, chance: random.Random) -> History:
    """All agree on an order, but it is not that in which one sender wrote."""
    first, second = chance.choice(list(_in_turn(history)))
    trade = {first.content: second, second.content: first}
    return [
        replace(one, offset=trade[one.content].offset) if isinstance(one, Placed) and one.content in trade else one
        for one in history
    ]


def _in_turn(history: History) -> Iterator[tuple[Acked, Acked]]:
    """Pairs of acks of one room of which the first came before the second's message was first sent."""
    sent: dict[str, float] = {}
    acked: dict[str, Acked] = {}
    for one in history:
        if isinstance(one, Invoked):
            sent.setdefault(one.content, one.at_s)
        elif isinstance(one, Acked):
            acked.setdefault(one.content, one)
    for first in acked.values():
        for second in acked.values():
            if first.room == second.room and first.epoch == second.epoch and first.at_s < sent[second.content]:
                yield first, second


# Epochs, time, sessions, processes


def change_the_epoch_under_a_connection(history: History, chance: random.Random) -> History:
    _, live = chance.choice([stream for stream in streams(history) if len(stream[1]) > 1])
    message = chance.choice(live)
    return instead(history, message, replace(message, epoch="another"))


def ack_in_an_epoch_of_its_own(history: History, chance: random.Random) -> History:
    ack = chance.choice(each(history, Acked))
    return instead(history, ack, replace(ack, epoch="another"))


def keep_the_last_message_from_somebody(history: History, chance: random.Random) -> History:
    _, live = chance.choice(open_in_the_end(history))
    return without(history, live[-1])


def tell_it_late(history: History, chance: random.Random) -> History:
    (healed,) = each(history, Healed)
    acked = {(one.room, one.offset) for one in each(history, Acked) if one.at_s < healed.at_s}
    last = [live[-1] for _, live in open_in_the_end(history)]
    late = [one for one in last if one.at_s > healed.at_s and (one.room, one.offset) in acked]
    message = chance.choice(late)
    return instead(history, message, replace(message, at_s=healed.at_s + 16))


def tell_an_ended_session(history: History, chance: random.Random) -> History:
    message = replace(chance.choice(each(history, Delivered)), paged=True)
    return [*history, _late(history, message)]


def ack_to_an_ended_session(history: History, chance: random.Random) -> History:
    return [*history, _late(history, chance.choice(each(history, Acked)))]


def welcome_an_ended_session(history: History, chance: random.Random) -> History:
    (ended,) = each(history, Ended)
    opened = chance.choice([one for one in each(history, Opened) if one.session == ended.session])
    return [*history, replace(opened, at_s=ended.at_s + 1.5, connection="late")]


def _late(history: History, operation: Delivered | Acked) -> Delivered | Acked:
    (ended,) = each(history, Ended)
    connection = [one.connection for one in each(history, Opened) if one.session == ended.session][-1]
    return replace(operation, connection=connection, at_s=ended.at_s + 1.5)


def date_a_message_before_the_one_before_it(history: History, chance: random.Random) -> History:
    first, second = chance.choice(list(pairwise(one for one in each(history, Stored) if one.room == "room0")))
    earlier = replace(second, timestamp="2026-11-25T10:00:00.000Z")
    return instead(instead(history, second, earlier), first, replace(first, timestamp="2026-11-25T10:00:00.001Z"))


def leak_memory(history: History, chance: random.Random) -> History:
    used = chance.choice([one for one in each(history, Used) if one.after])
    return instead(history, used, replace(used, resident_bytes=used.resident_bytes * 3 // 2))


def leak_descriptors(history: History, chance: random.Random) -> History:
    used = chance.choice([one for one in each(history, Used) if one.after])
    return instead(history, used, replace(used, descriptors=used.descriptors + 9))
