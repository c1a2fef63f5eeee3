"""Faults planted in a clean history, each as a server with that fault would produce it.

Each function takes a history and a random generator, and returns a history that breaks at least one invariant.
"""

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
    Came,
    ChangeAcked,
    ChangeInvoked,
    ChangePushed,
    Closed,
    Delivered,
    Ended,
    FileKept,
    FileRead,
    Healed,
    Invoked,
    Kept,
    Opened,
    Operation,
    Present,
    ReadInvoked,
    ReadTold,
    Refused,
    Restored,
    Shown,
    Stored,
    StoredRead,
    Traced,
    Unknown,
    Uploaded,
    Used,
    Went,
)
from tests.support.traceable_words import word_in
from tests.unit.chaos.histories import History

Damage = Callable[[History, random.Random], History]
Kind = TypeVar("Kind", bound=Operation)
Positioned = Acked | Delivered | Stored


def each(history: History, kind: type[Kind]) -> list[Kind]:
    return [operation for operation in history if isinstance(operation, kind)]


def without(history: History, *gone: AnyOperation) -> History:
    return [operation for operation in history if not any(operation is one for one in gone)]


def instead(history: History, old: AnyOperation, *new: AnyOperation) -> History:
    return [one for operation in history for one in (new if operation is old else (operation,))]


def swapped(history: History, first: AnyOperation, second: AnyOperation) -> History:
    """Exchange two operations, with their times."""
    early, late = replace(second, at_s=first.at_s), replace(first, at_s=second.at_s)
    return instead(instead(history, second, late), first, early)


def streams(history: History) -> list[tuple[Began, list[Delivered]]]:
    """Each `Began`, with the live messages after it."""
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


def open_at_the_end(history: History) -> list[tuple[Began, list[Delivered]]]:
    """Streams of connections that never close and got a message, before or after the heal."""
    closed = {one.connection for one in each(history, Closed)}
    return [(began, live) for began, live in streams(history) if began.connection not in closed and live]


# Storage


def lose_an_acked_message(history: History, rng: random.Random) -> History:
    acked = {ack.content for ack in each(history, Acked)}
    return without(history, rng.choice([one for one in each(history, Stored) if one.content in acked]))


def lose_a_whole_room(history: History, rng: random.Random) -> History:
    return without(history, *(one for one in each(history, Stored) if one.room == "room0"))


def ack_at_another_offset(history: History, rng: random.Random) -> History:
    ack = rng.choice(each(history, Acked))
    return instead(history, ack, replace(ack, offset=ack.offset + 1))


def leave_a_gap_in_the_store(history: History, rng: random.Random) -> History:
    return without(history, rng.choice([one for one in each(history, Stored) if one.offset == 5]))


def store_a_message_twice(history: History, rng: random.Random) -> History:
    last = [one for one in each(history, Stored) if one.room == "room0"][-1]
    again = rng.choice([one for one in each(history, Stored) if one.room == "room0" and not one.deleted])
    return instead(history, last, last, replace(again, offset=last.offset + 1))


def give_an_offset_twice(history: History, rng: random.Random) -> History:
    first, second = rng.choice(list(pairwise([one for one in each(history, Stored) if one.room == "room0"])))
    return instead(history, second, replace(second, offset=first.offset))


def read_history_out_of_order(history: History, rng: random.Random) -> History:
    return swapped(history, *rng.choice(list(pairwise(one for one in each(history, Stored) if one.room == "room0"))))


def deliver_different_messages_at_one_position(history: History, rng: random.Random) -> History:
    message = rng.choice(each(history, Delivered))
    other = rng.choice([one for one in each(history, Stored) if one.content != message.content])
    return instead(history, message, replace(message, content=other.content, username=other.username))


def name_another_author(history: History, rng: random.Random) -> History:
    message = rng.choice(each(history, Stored))
    return instead(history, message, replace(message, username="mallory"))


# Streams


def drop_a_live_message(history: History, rng: random.Random) -> History:
    _, live = rng.choice([stream for stream in streams(history) if len(stream[1]) > 2])
    return without(history, rng.choice(live[1:-1]))


def swap_live_messages(history: History, rng: random.Random) -> History:
    _, live = rng.choice([stream for stream in streams(history) if len(stream[1]) > 1])
    return swapped(history, *rng.choice(list(pairwise(live))))


def deliver_a_live_message_twice(history: History, rng: random.Random) -> History:
    _, live = rng.choice([stream for stream in streams(history) if len(stream[1]) > 1])
    message, last = rng.choice(live), live[-1]
    return instead(history, last, last, replace(message, at_s=last.at_s))


def deliver_without_a_stream(history: History, rng: random.Random) -> History:
    began, _ = rng.choice([stream for stream in streams(history) if stream[1] and stream[0].since is None])
    return without(history, began, *changes_of(history, began))


def changes_of(history: History, began: Began) -> list[ChangePushed]:
    """The changes that the connection was told of this room."""
    pushed = each(history, ChangePushed)
    return [one for one in pushed if (one.connection, one.room) == (began.connection, began.room)]


def swap_in_a_page(history: History, rng: random.Random) -> History:
    return swapped(history, *rng.choice(list(pairwise(rng.choice(pages(history))))))


def leave_a_gap_in_a_page(history: History, rng: random.Random) -> History:
    return without(history, rng.choice(rng.choice(pages(history))[1:-1]))


def lose_the_last_message_before_a_disconnect(history: History, rng: random.Random) -> History:
    """The reader resumes from a message that it never got."""
    began, _ = rng.choice([one for one in resumed(history) if before(history, one[0])])
    return without(history, before(history, began)[-1])


def before(history: History, began: Began) -> list[Delivered]:
    """Live deliveries to the same reader at the offset that it resumed from."""
    reader = began.connection.partition("/")[0]
    return [
        one
        for one in each(history, Delivered)
        if one.connection.startswith(f"{reader}/") and one.connection != began.connection and not one.paged
        and (one.room, one.epoch, one.offset) == (began.room, began.epoch, began.since)
    ]  # fmt: skip


def resume_later_than_requested(history: History, rng: random.Random) -> History:
    began, live = rng.choice(resumed(history))
    return instead(without(history, live[0]), began, replace(began, offset=began.offset + 1))


def resume_earlier_than_requested(history: History, rng: random.Random) -> History:
    began, _ = rng.choice([one for one in resumed(history) if one[0].offset > 0])
    return instead(history, began, replace(began, offset=began.offset - 1))


def skip_the_first_message_after_a_resume(history: History, rng: random.Random) -> History:
    _, live = rng.choice(resumed(history))
    return without(history, live[0])


def treat_a_resume_as_a_new_subscription(history: History, rng: random.Random) -> History:
    began, live = rng.choice(resumed(history))
    return instead(without(history, live[0]), began, replace(began, offset=began.offset + 1, since=None))


def omit_the_pages_of_a_resume(history: History, rng: random.Random) -> History:
    began = rng.choice([one for one in each(history, Began) if one.since is not None and one.offset > one.since])
    return [
        one
        for one in history
        if not (
            isinstance(one, Delivered) and one.paged and (one.connection, one.at_s) == (began.connection, began.at_s)
        )
    ]


# Sending


def stored_as_sent(history: History) -> list[Stored]:
    return [one for one in each(history, Stored) if not one.rev]


def store_a_message_that_was_never_sent(history: History, rng: random.Random) -> History:
    content = rng.choice(stored_as_sent(history)).content
    return without(history, *(one for one in each(history, Invoked) if one.content == content))


def store_a_message_that_was_refused(history: History, rng: random.Random) -> History:
    content = rng.choice(stored_as_sent(history)).content
    return list(_refused(history, content))


def _refused(history: History, content: str) -> Iterator[AnyOperation]:
    for one in history:
        if isinstance(one, Acked | Refused | Unknown) and one.content == content:
            yield Refused(
                at_s=one.at_s, connection=one.connection, room=one.room, content=content, code="forbidden", final=True
            )
        else:
            yield one


def deliver_a_message_at_two_positions(history: History, rng: random.Random) -> History:
    message = rng.choice([one for one in each(history, Delivered) if one.content])
    return [*history, replace(message, at_s=history[-1].at_s, offset=100_000, paged=True)]


def ack_a_retry_with_another_position(history: History, rng: random.Random) -> History:
    ack = rng.choice(each(history, Acked))
    again = replace(ack, at_s=ack.at_s + 0.001, offset=ack.offset + 1)
    return instead(history, ack, ack, again)


def order_against_real_time(history: History, rng: random.Random) -> History:
    """All readers agree on an order, but it contradicts the order of acks and sends."""
    first, second = rng.choice(list(_sequential_acks(history)))
    swap = {first.content: second, second.content: first}
    return [
        replace(one, offset=swap[one.content].offset) if isinstance(one, Positioned) and one.content in swap else one
        for one in history
    ]


def _sequential_acks(history: History) -> Iterator[tuple[Acked, Acked]]:
    """Pairs of acks of one room: the first precedes the first send of the second's message."""
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


# Changes


def lose_an_acked_change(history: History, rng: random.Random) -> History:
    """As if it had never been stored: the message is as it was before, for all."""
    last = [one for one in each(history, Stored) if one.rev]
    acked = {ack.rev for ack in each(history, ChangeAcked)}
    message = rng.choice([one for one in last if one.rev in acked])
    return instead(history, message, replace(message, rev=message.rev - 1))


def forget_an_acked_edit(history: History, rng: random.Random) -> History:
    """The message is stored with the text as it was sent, although the rev is that of the edit."""
    edits = {one.value for one in each(history, ChangeInvoked) if one.did == "edit"} & acked_values(history)
    message = rng.choice([one for one in each(history, Stored) if one.content in edits])
    key = message.content.split()[0]
    sent = next(one.content for one in each(history, Invoked) if one.content.split()[0] == key)
    return instead(history, message, replace(message, content=sent))


def forget_an_acked_reaction(history: History, rng: random.Random) -> History:
    message = rng.choice([one for one in each(history, Stored) if is_reaction_acked(history, one)])
    return instead(history, message, replace(message, reactions={}))


def is_reaction_acked(history: History, message: Stored) -> bool:
    """Whether a user's reaction with an emoji was acked, and they did nothing else with it."""
    changes = [one for one in each(history, ChangeInvoked) if (one.room, one.offset) == (message.room, message.offset)]
    acked = {ack.number for ack in each(history, ChangeAcked)}
    return any(
        [one.did for one in changes if (one.value, one.username) == (emoji, username)] == ["react"]
        and all(one.number in acked for one in changes if (one.value, one.username) == (emoji, username))
        for emoji, names in message.reactions.items()
        for username in names
    )


def keep_the_text_of_an_erased_message(history: History, rng: random.Random) -> History:
    acked = {ack.number for ack in each(history, ChangeAcked)}
    erased = {
        (one.room, one.offset) for one in each(history, ChangeInvoked) if one.did == "delete" and one.number in acked
    }
    message = rng.choice([one for one in each(history, Stored) if one.deleted and (one.room, one.offset) in erased])
    sent = rng.choice([one for one in each(history, Delivered) if one.content and same_place(one, message)])
    return instead(history, message, replace(message, content=sent.content))


def same_place(one: Delivered | Kept, other: Stored) -> bool:
    return (one.room, one.epoch, one.offset) == (other.room, other.epoch, other.offset)


def acked_values(history: History) -> set[str]:
    acked = {ack.number for ack in each(history, ChangeAcked)}
    return {one.value for one in each(history, ChangeInvoked) if one.number in acked}


def lower_the_reply_to_a_read_position(history: History, rng: random.Random) -> History:
    told = rng.choice([one for one in each(history, ReadTold) if one.turn])
    return instead(history, told, replace(told, turn=0))


def lose_a_read_position(history: History, rng: random.Random) -> History:
    stored = rng.choice(each(history, StoredRead))
    return instead(history, stored, replace(stored, turn=0))


def never_tell_the_last_read_position(history: History, rng: random.Random) -> History:
    return without(history, rng.choice([one for one in each(history, ReadTold) if one.turn]))


def let_a_read_position_fall(history: History, rng: random.Random) -> History:
    """A later position of the same user, on another connection, is answered by less than was told before."""
    told = rng.choice([one for one in each(history, ReadTold) if one.turn])
    later = ReadInvoked(at_s=told.at_s + 1, connection="other", number=1, room=told.room, turn=0, offset=0)
    reply = replace(told, at_s=told.at_s + 2, connection="other", number=1, turn=0, offset=0)
    return [*history, later, reply]


def count_own_messages(history: History, rng: random.Random) -> History:
    stored = rng.choice(each(history, StoredRead))
    return instead(history, stored, replace(stored, unread=stored.unread + 1))


def count_a_mention_that_is_none(history: History, rng: random.Random) -> History:
    stored = rng.choice(each(history, StoredRead))
    return instead(history, stored, replace(stored, mentions=1))


def erased_words(history: History) -> dict[str, float]:
    """When deletions were acked, by the word of the text, of those that were not sent again."""
    acks_s = {ack.number: ack.at_s for ack in each(history, ChangeAcked)}
    deletions = [one for one in each(history, ChangeInvoked) if one.did == "delete" and one.erases]
    erased = {one.erases: acks_s[one.number] for one in deletions if one.number in acks_s}
    sent_s = {word_in(one.content): one.at_s for one in each(history, Invoked)}
    return {word: at_s for word, at_s in erased.items() if sent_s.get(word, 0) < at_s}


def receive_an_erased_text(history: History, rng: random.Random) -> History:
    erased = erased_words(history)
    seen = rng.choice([one for one in each(history, Delivered) if word_in(one.content) in erased])
    return [*history, replace(seen, at_s=history[-1].at_s)]


def keep_an_erased_text_in_a_file(history: History, rng: random.Random) -> History:
    word, at_s = rng.choice(list(erased_words(history).items()))
    return [*history, Traced(at_s=at_s + 61, word=word, kind="file", place="history.sqlite-wal")]


def keep_an_erased_text_in_an_object(history: History, rng: random.Random) -> History:
    word, at_s = rng.choice(list(erased_words(history).items()))
    return [*history, Traced(at_s=at_s + 61, word=word, kind="object", place="gateway-1")]


def remember_erased_texts(history: History, rng: random.Random) -> History:
    at_s = history[-1].at_s + 61
    words = erased_words(history)
    return [*history, *(Traced(at_s=at_s, word=word, kind="memory", place="gateway-1") for word in words)]


def bring_an_erased_text_back(history: History, rng: random.Random) -> History:
    """A restored backup has it, whatever the time since."""
    word, at_s = rng.choice(list(erased_words(history).items()))
    return [
        *history, Restored(at_s=at_s + 0.1), Traced(at_s=at_s + 0.2, word=word, kind="page", place="room0")
    ]  # fmt: skip


def lose_a_pushed_change(history: History, rng: random.Random) -> History:
    """The next one proves it."""
    by_stream: dict[tuple[str, str], list[ChangePushed]] = defaultdict(list)
    for one in each(history, ChangePushed):
        by_stream[one.connection, one.room].append(one)
    return without(history, rng.choice(rng.choice([found for found in by_stream.values() if len(found) > 1])[:-1]))


def never_push_the_last_change(history: History, rng: random.Random) -> History:
    began, _ = rng.choice([one for one in open_at_the_end(history) if changes_of(history, one[0])])
    return without(history, changes_of(history, began)[-1])


def push_a_change_without_a_stream(history: History, rng: random.Random) -> History:
    began, _ = rng.choice([stream for stream in streams(history) if changes_of(history, stream[0])])
    change = changes_of(history, began)[0]
    return instead(history, change, replace(change, room="elsewhere"))


def give_a_rev_twice(history: History, rng: random.Random) -> History:
    first, second = rng.sample([one for one in each(history, Stored) if one.rev and one.room == "room0"], 2)
    return instead(history, first, replace(first, rev=second.rev))


def hold_a_stale_message(history: History, rng: random.Random) -> History:
    held = rng.choice([one for one in each(history, Kept) if one.rev])
    return instead(history, held, replace(held, rev=0, checksum=1))


def deliver_another_text_of_the_same_rev(history: History, rng: random.Random) -> History:
    message = rng.choice([one for one in each(history, Delivered) if one.rev])
    return instead(history, message, replace(message, checksum=1))


# Epochs, time, sessions, processes


def change_the_epoch_under_a_connection(history: History, rng: random.Random) -> History:
    _, live = rng.choice([stream for stream in streams(history) if len(stream[1]) > 1])
    message = rng.choice(live)
    return instead(history, message, replace(message, epoch="another"))


def ack_in_another_epoch(history: History, rng: random.Random) -> History:
    ack = rng.choice(each(history, Acked))
    return instead(history, ack, replace(ack, epoch="another"))


def never_deliver_the_last_message(history: History, rng: random.Random) -> History:
    _, live = rng.choice(open_at_the_end(history))
    return without(history, live[-1])


def deliver_the_last_message_late(history: History, rng: random.Random) -> History:
    (healed,) = each(history, Healed)
    acked = {(one.room, one.offset) for one in each(history, Acked) if one.at_s < healed.at_s}
    last = [live[-1] for _, live in open_at_the_end(history)]
    late = [one for one in last if one.at_s > healed.at_s and (one.room, one.offset) in acked]
    message = rng.choice(late)
    return instead(history, message, replace(message, at_s=healed.at_s + 16))


def deliver_to_an_ended_session(history: History, rng: random.Random) -> History:
    message = replace(rng.choice(each(history, Delivered)), paged=True)
    return [*history, _late(history, message)]


def ack_to_an_ended_session(history: History, rng: random.Random) -> History:
    return [*history, _late(history, rng.choice(each(history, Acked)))]


def welcome_an_ended_session(history: History, rng: random.Random) -> History:
    (ended,) = each(history, Ended)
    opened = rng.choice([one for one in each(history, Opened) if one.session == ended.session])
    return [*history, replace(opened, at_s=ended.at_s + 1.5, connection="late")]


def _late(history: History, operation: Delivered | Acked) -> Delivered | Acked:
    (ended,) = each(history, Ended)
    connection = [one.connection for one in each(history, Opened) if one.session == ended.session][-1]
    return replace(operation, connection=connection, at_s=ended.at_s + 1.5)


def store_a_message_with_an_earlier_time(history: History, rng: random.Random) -> History:
    first, second = rng.choice(list(pairwise(one for one in each(history, Stored) if one.room == "room0")))
    earlier = replace(second, timestamp="2026-11-25T10:00:00.000Z")
    return instead(instead(history, second, earlier), first, replace(first, timestamp="2026-11-25T10:00:00.001Z"))


def ack_a_message_late(history: History, rng: random.Random) -> History:
    ack = rng.choice(each(history, Acked))
    sent_s = min(one.at_s for one in each(history, Invoked) if one.content == ack.content)
    without = [one for one in history if not isinstance(one, Acked) or one.content != ack.content]
    return [*without, replace(ack, at_s=sent_s + 61)]


def leak_memory(history: History, rng: random.Random) -> History:
    used = rng.choice([one for one in each(history, Used) if one.after])
    return instead(history, used, replace(used, resident_bytes=used.resident_bytes * 3 // 2))


def leak_descriptors(history: History, rng: random.Random) -> History:
    used = rng.choice([one for one in each(history, Used) if one.after])
    return instead(history, used, replace(used, descriptors=used.descriptors + 9))


def show_a_connected_user_offline(history: History, rng: random.Random) -> History:
    came = Came(at_s=0, connection="ada/1", username="ada")
    return [*history, came, Shown(at_s=rng.uniform(16, 60), connection="bob/1", username="ada", state="offline")]


def show_a_user_offline_within_the_grace(history: History, rng: random.Random) -> History:
    came, went = Came(at_s=0, connection="ada/1", username="ada"), Went(at_s=20, connection="ada/1")
    shown_s = 20 + rng.uniform(0, 2)
    return [*history, came, went, Shown(at_s=shown_s, connection="bob/1", username="ada", state="offline")]


def show_an_absent_user_online_in_the_end(history: History, rng: random.Random) -> History:
    told = Shown(at_s=rng.uniform(0, 60), connection="bob/1", username="ada", state="online")
    return [*history, told, Present(at_s=90, username="ada", state="offline")]


def _with_file(history: History, rng: random.Random) -> tuple[History, str]:
    """A message has a file, which is uploaded, read and kept; so is another message's."""
    file_id, message = "0" * 32, rng.choice([one for one in each(history, Stored) if not one.deleted])
    other = next(one for one in each(history, Stored) if one is not message)
    files: History = [
        Uploaded(at_s=0, file_id=file_id, room=message.room, digest="d"),
        FileRead(at_s=history[-1].at_s, file_id=file_id, digest="d"),
        FileRead(at_s=history[-1].at_s, file_id="1" * 32, digest="e"),
        FileKept(at_s=history[-1].at_s, file_id=file_id),
        FileKept(at_s=history[-1].at_s, file_id="1" * 32),
    ]
    named = instead(history, message, replace(message, files=(file_id,)))
    return [*instead(named, other, replace(other, files=("1" * 32,))), *files], file_id


def lose_a_file(history: History, rng: random.Random) -> History:
    with_file, file_id = _with_file(history, rng)
    [read] = [one for one in each(with_file, FileRead) if one.file_id == file_id]
    return instead(with_file, read, replace(read, digest=""))


def change_the_bytes_of_a_file(history: History, rng: random.Random) -> History:
    with_file, file_id = _with_file(history, rng)
    [read] = [one for one in each(with_file, FileRead) if one.file_id == file_id]
    return instead(with_file, read, replace(read, digest="other"))


def erase_a_file_of_a_message(history: History, rng: random.Random) -> History:
    with_file, file_id = _with_file(history, rng)
    return without(with_file, *(one for one in each(with_file, FileKept) if one.file_id == file_id))


def keep_a_file_that_no_message_has(history: History, rng: random.Random) -> History:
    with_file, _ = _with_file(history, rng)
    return [*with_file, FileKept(at_s=history[-1].at_s, file_id="2" * 32)]
