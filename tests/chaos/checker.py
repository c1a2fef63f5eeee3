"""Checks the history of a run against the invariants. Pure: no clock, no file, no socket.

What a history must satisfy for the verdict to be correct:

- `Invoked` has the time before the frame is written, everything else the time when it was read.
- `Began.since` is None where the server said reset, and a `Reader` has its connections one after another. It
  resumes from what it holds; a client that wants to start over takes another reader's name.
- The deliveries of one page have one `at_s`: a page is what a connection received paged, in one room, at one time.
- Edits keep the first word of a message, which is its key; who erases a message has seen it.
- Each room is read to its end (`Stored`) before the last connections are closed: a connection that closes after
  the first `Stored` counts as open at the end.

A page may cover any range, but has no gap, is ordered by offset, and contains the messages that everyone sees. It
fills what a stream left out: if a resume continues later than requested (`join` with `since`), the messages in between
must arrive in pages on the same connection. If the connection breaks meanwhile, the reader holds what arrived without
a gap.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from math import inf

from tests.chaos.arrival import Arrival
from tests.chaos.encrypted_conversations import encrypted_conversations_hold
from tests.chaos.erased_texts import erased_is_gone
from tests.chaos.message_changes import (
    acked_changes_are_stored,
    changes_join,
    held_is_stored,
    one_state_per_rev,
    revs_are_one_message,
)
from tests.chaos.named_files import files_are_named
from tests.chaos.offsets import WORDS, Heads, Walk, missed
from tests.chaos.operations import Acked, AnyOperation, Began, Delivered, Ended, Opened, Stored, Used
from tests.chaos.original_texts import Place, key_of
from tests.chaos.read_positions import read_positions_hold
from tests.chaos.record import Run
from tests.chaos.shown_presence import presence_is_true
from tests.chaos.streams import Streams
from tests.chaos.verdict import MEANINGS, Counts, Fault, Invariant, Limits, Verdict, Violation, faults

Check = Callable[[Run, Limits], Iterator[Violation]]
Positioned = Acked | Delivered | Stored
ORDER = {invariant: number for number, invariant in enumerate(MEANINGS)}


def judge(operations: Iterable[AnyOperation], limits: Limits = Limits()) -> Verdict:  # noqa: B008 (frozen)
    """The verdict on a whole run. O(n log n) in its operations."""
    run = Run(operations)
    streams = Streams(run)
    arrival = Arrival(run, streams, limits)
    violations = [violation for check in CHECKS for violation in check(run, limits)]
    violations += [*streams.violations(), *arrival.violations()]
    violations.sort(key=lambda violation: ORDER[violation.invariant])
    return Verdict(violations=violations, counts=_counts(run, violations), recovery_s=arrival.recovery_s())


def place(operation: Positioned) -> Place:
    return operation.room, operation.epoch, operation.offset


def name(content: str) -> str:
    """Its first word: the key."""
    return repr(key_of(content))


def _at(where: Place) -> str:
    room, epoch, offset = where
    return f"{room} {epoch}/{offset}"


# Stored messages and their acks


def acked_is_stored(run: Run, _: Limits) -> Iterator[Violation]:
    stored: dict[str, list[Place]] = defaultdict(list)
    for message in run.of(Stored):
        stored[message.content].append(place(message))
    told: set[str] = set()
    for ack in run.of(Acked):
        found = stored.get(ack.content, [])
        if ack.content in told or (where := run.place_in_the_end(ack.at_s, *place(ack))) is None or where in found:
            continue
        told.add(ack.content)
        said = f"{name(ack.content)} was acked at {_at(place(ack))}"
        if found:
            yield Violation(Invariant.ACKED_IS_STORED, f"{said} but is stored at {_at(found[0])}.")
        else:
            yield Violation(Invariant.ACKED_IS_STORED, f"{said} but is not stored.", Fault.LOST)


def stored_without_holes(run: Run, _: Limits) -> Iterator[Violation]:
    walks: dict[str, Walk] = defaultdict(lambda: Walk(0))
    contents: set[str] = set()
    epochs = {(stored.room, stored.epoch) for stored in run.of(Stored)}
    for room, count in Counter(room for room, _ in epochs).items():
        if count > 1:
            yield Violation(Invariant.STORED_WITHOUT_HOLES, f"{room} is stored in {count} epochs.")
    for stored in run.of(Stored):
        fault = walks[stored.room].step(stored.offset)
        if stored.content in contents:
            sentence = f"{name(stored.content)} is stored twice, the second time at {_at(place(stored))}."
            yield Violation(Invariant.STORED_WITHOUT_HOLES, sentence, Fault.DOUBLED)
        elif fault in WORDS:
            sentence = f"{_at(place(stored))} is read from history {WORDS[fault]}."
            yield Violation(Invariant.STORED_WITHOUT_HOLES, sentence, fault)
        contents.add(stored.content)
    for room, walk in walks.items():
        for gap in walk.gaps():
            yield Violation(Invariant.STORED_WITHOUT_HOLES, f"{room} is stored with {missed(*gap)}.", Fault.GAP)


def time_goes_forward(run: Run, _: Limits) -> Iterator[Violation]:
    before: dict[str, Stored] = {}
    for stored in sorted((one for one in run.of(Stored) if one.timestamp), key=lambda one: one.offset):
        last = before.get(stored.room)
        if last is not None and stored.timestamp < last.timestamp:
            sentence = (
                f"{_at(place(stored))} is of {stored.timestamp}, and {last.offset} before it of {last.timestamp}."
            )
            yield Violation(Invariant.TIME_GOES_FORWARD, sentence)
        before[stored.room] = stored


def one_message_per_position(run: Run, _: Limits) -> Iterator[Violation]:
    names: dict[Place, tuple[str, str]] = {}
    told: set[tuple[Place, str, str]] = set()
    for where, username, content in _named(run):
        first = names.setdefault(where, (username, content))
        if first != (username, content) and (where, username, content) not in told:
            told.add((where, username, content))
            sentence = f"{_at(where)} is {name(content)} of {username}, and was {name(first[1])} of {first[0]}."
            yield Violation(Invariant.ONE_MESSAGE_PER_POSITION, sentence)


def _named(run: Run) -> Iterator[tuple[Place, str, str]]:
    told: list[Delivered | Stored] = [*run.of(Delivered), *run.of(Stored)]
    for seen in told:
        yield place(seen), seen.username, seen.content
    for ack in run.of(Acked):
        if (send := run.sends.get(ack.content)) is not None:
            yield place(ack), send.username, ack.content


def nothing_from_nowhere(run: Run, _: Limits) -> Iterator[Violation]:
    everything: list[Positioned] = [*run.of(Stored), *run.of(Delivered), *run.of(Acked)]
    told: set[tuple[str, str, str]] = set()
    for seen in everything:
        send = run.sends.get(seen.content)
        username = ("nobody" if send is None else send.username) if isinstance(seen, Acked) else seen.username
        sent = (seen.room, username, seen.content)
        if sent in told:
            continue
        told.add(sent)
        if send is None or (send.room, send.username, send.content) != sent:
            sentence = f"{name(seen.content)} of {username} at {_at(place(seen))} was never sent so."
            yield Violation(Invariant.NOTHING_FROM_NOWHERE, sentence, Fault.UNEXPLAINED)
        elif not isinstance(seen, Acked) and run.is_refused_for_good(seen.content):
            sentence = f"{name(seen.content)} is at {_at(place(seen))}, though every send of it was refused for good."
            yield Violation(Invariant.NOTHING_FROM_NOWHERE, sentence, Fault.UNEXPLAINED)


def nothing_in_two_places(run: Run, _: Limits) -> Iterator[Violation]:
    """Apart from duplicates in storage, which `stored_without_holes` reports."""
    places: dict[tuple[str, str], list[Place]] = defaultdict(list)
    for stored in run.of(Stored):
        places[stored.epoch, stored.content].append(place(stored))
    for seen in run.of(Delivered):
        known = places[seen.epoch, seen.content]
        if (where := place(seen)) in known:
            continue
        if known:
            sentence = f"{name(seen.content)} came as {_at(where)}, but is at {_at(known[0])}."
            yield Violation(Invariant.NOTHING_FROM_NOWHERE, sentence, Fault.DOUBLED)
        known.append(where)


def same_ack(run: Run, _: Limits) -> Iterator[Violation]:
    latest: dict[str, Acked] = {}
    for ack in run.of(Acked):
        before = latest.setdefault(ack.content, ack)
        is_new = before.epoch != ack.epoch and run.restored_between(before.at_s, ack.at_s)
        if place(before) != place(ack) and not is_new:
            sentence = f"{name(ack.content)} was acked at {_at(place(before))}, then at {_at(place(ack))}."
            yield Violation(Invariant.SAME_ACK, sentence)
        latest[ack.content] = ack


def real_time(run: Run, _: Limits) -> Iterator[Violation]:
    """Of all acks before a send, only the highest offset matters."""
    acked: dict[tuple[str, str], Heads] = defaultdict(Heads)
    for ack in run.of(Acked):
        acked[ack.room, ack.epoch].rise(ack)
    for (room, epoch, offset), content in sorted({(where, content) for where, _, content in _named(run)}):
        if content not in run.sends or (room, epoch) not in acked:
            continue
        head = acked[room, epoch].before(run.sends[content].at_s)
        if head is not None and head.offset > offset and head.content != content:
            sentence = (
                f"{name(content)} is at {_at((room, epoch, offset))}, but was first sent after"
                f" {name(head.content)} was acked at {head.offset}."
            )
            yield Violation(Invariant.REAL_TIME, sentence, Fault.REORDERED)


def acked_in_time(run: Run, limits: Limits) -> Iterator[Violation]:
    acks_s: dict[str, float] = {}
    for ack in run.of(Acked):
        if ack.content in run.sends:
            acks_s.setdefault(ack.content, ack.at_s - run.sends[ack.content].at_s)
    late_s = [seconds for seconds in acks_s.values() if seconds > limits.ack_s]
    if late_s:
        sentence = (
            f"{len(late_s)} of {len(acks_s)} messages were acked more than {limits.ack_s:g} s after they were sent,"
            f" the last {max(late_s):.1f} s after."
        )
        yield Violation(Invariant.ACKED_IN_TIME, sentence)


def one_epoch_per_restore(run: Run, _: Limits) -> Iterator[Violation]:
    epochs: dict[str, dict[str, None]] = defaultdict(dict)
    everything: list[Began | Positioned] = [*run.of(Began), *run.of(Delivered), *run.of(Acked), *run.of(Stored)]
    for seen in everything:
        epochs[seen.room][seen.epoch] = None
    for room, names in epochs.items():
        if len(names) > 1 + len(run.restores):
            sentence = f"{room} had the epochs {', '.join(names)}, with {len(run.restores)} restores."
            yield Violation(Invariant.ONE_EPOCH, sentence)


# Deliveries to a connection


def pages_in_order(run: Run, _: Limits) -> Iterator[Violation]:
    pages: dict[tuple[str, str, float], list[Delivered]] = defaultdict(list)
    for message in run.of(Delivered):
        if message.paged:
            pages[message.connection, message.room, message.at_s].append(message)
    for (connection, room, _at_s), page in pages.items():
        yield from _page_in_order(f"{connection}, a page of {room}", page)


def _page_in_order(who: str, page: list[Delivered]) -> Iterator[Violation]:
    if len({message.epoch for message in page}) > 1:
        yield Violation(Invariant.ONE_EPOCH, f"{who}: it has more than one epoch.")
    walk = Walk(min(message.offset for message in page) - 1)
    for message in page:
        fault = walk.step(message.offset)
        if fault in WORDS:
            yield Violation(Invariant.STREAM_IN_ORDER, f"{who}: {message.offset} comes {WORDS[fault]}.", fault)
    for gap in walk.gaps():
        yield Violation(Invariant.STREAM_IN_ORDER, f"{who}: {missed(*gap)}.", Fault.GAP)


def ended_is_ended(run: Run, limits: Limits) -> Iterator[Violation]:
    ends_s = {ended.session: ended.at_s for ended in reversed(run.of(Ended))}
    sessions = {opened.connection: opened.session for opened in run.of(Opened)}
    late: dict[str, list[float]] = defaultdict(list)
    everything: list[Opened | Delivered | Acked] = [*run.of(Opened), *run.of(Delivered), *run.of(Acked)]
    for seen in everything:
        late_s = seen.at_s - ends_s.get(sessions.get(seen.connection, ""), inf)
        if late_s > limits.session_s:
            late[seen.connection].append(late_s)
    for connection, seconds in late.items():
        sentence = (
            f"{connection} was told {len(seconds)} things after session {sessions[connection]} had ended,"
            f" the last {max(seconds):.2f} s after."
        )
        yield Violation(Invariant.ENDED_IS_ENDED, sentence)


def at_rest(run: Run, limits: Limits) -> Iterator[Violation]:
    before = {used.process: used for used in run.of(Used) if not used.after}
    for used in run.of(Used):
        level = before.get(used.process)
        if not used.after or level is None:
            continue
        if used.resident_bytes > level.resident_bytes * limits.resident_ratio + limits.resident_slack_bytes:
            sentence = f"{used.process} holds {used.resident_bytes:,} bytes; it began with {level.resident_bytes:,}."
            yield Violation(Invariant.AT_REST, sentence)
        if used.descriptors > level.descriptors + limits.descriptors_slack:
            sentence = f"{used.process} has {used.descriptors} descriptors open; it began with {level.descriptors}."
            yield Violation(Invariant.AT_REST, sentence)


CHECKS: tuple[Check, ...] = (
    acked_is_stored, stored_without_holes, one_message_per_position, nothing_from_nowhere, nothing_in_two_places,
    same_ack, real_time, one_epoch_per_restore, pages_in_order, ended_is_ended, at_rest,
    time_goes_forward, acked_changes_are_stored, changes_join, revs_are_one_message, one_state_per_rev, held_is_stored,
    acked_in_time, read_positions_hold, erased_is_gone, presence_is_true, files_are_named,
    encrypted_conversations_hold,
)  # fmt: skip


def _counts(run: Run, violations: list[Violation]) -> Counts:
    acked = {ack.content for ack in run.of(Acked)} & run.sends.keys()
    refused = sum(run.is_refused_for_good(content) for content in run.sends)
    paged = sum(message.paged for message in run.of(Delivered))
    return Counts(
        sent=len(run.sends), acked=len(acked), refused=refused, unknown=len(run.sends) - len(acked) - refused,
        delivered=len(run.of(Delivered)) - paged, paged=paged, stored=len(run.of(Stored)), **faults(violations),
    )  # fmt: skip
