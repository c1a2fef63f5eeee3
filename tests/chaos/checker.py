"""Judges a run: from its history alone, which promises were broken. Pure: no clock, no file, no socket.

What a history must be for the judgement to be right:

- `Invoked` is stamped before the frame is written, everything else when it was read.
- `Began.since` is None where the server said reset, and a `Reader` has its connections one after another. It asks
  for what it holds; a client that wants to start anew takes another reader's name.
- The deliveries of one page have one `at_s`: a page is what came paged to a connection in a room at one time.
- Each room is read to its end (`Stored`) before the last connections are hung up: a connection that closes after
  the first `Stored` counts as open at the end.

A page may be of any range, but has no hole and no other order than that of offsets, and its messages are those that
everybody sees. It fills what a stream left out: where a resume goes on later than asked (`join` with `since`), the
messages between must come in pages of the same connection. If it breaks while they come, the reader holds as much
as came without a hole.
"""

from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from math import inf
from typing import TypeVar

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
    Restored,
    Stored,
    Unknown,
    Used,
)
from tests.chaos.verdict import Counts, Fault, Invariant, Limits, Verdict, Violation, faults

Place = tuple[str, str, int]
"""Room, epoch, offset."""
Check = Callable[["Run", Limits], Iterator[Violation]]
Kind = TypeVar("Kind", bound=Operation)
Positioned = Acked | Delivered | Stored


def judge(operations: Iterable[AnyOperation], limits: Limits = Limits()) -> Verdict:  # noqa: B008 (frozen)
    """The verdict on a whole run. O(n log n) in its operations."""
    run = Run(operations)
    streams = Streams(run)
    arrival = Arrival(run, streams, limits)
    violations = [violation for check in CHECKS for violation in check(run, limits)]
    violations += [*streams.violations(), *arrival.violations()]
    violations.sort(key=lambda violation: int(violation.invariant[1:]))
    return Verdict(violations=violations, counts=_counts(run, violations), recovery_s=arrival.recovery_s())


def place(operation: Positioned) -> Place:
    return operation.room, operation.epoch, operation.offset


def name(content: str) -> str:
    """Its first word: the key."""
    return repr(content.split(maxsplit=1)[0] if content.strip() else content)


def _at(where: Place) -> str:
    room, epoch, offset = where
    return f"{room} {epoch}/{offset}"


class Run:
    """A history by kind of operation, in the order of time, and what several checks ask of it."""

    def __init__(self, operations: Iterable[AnyOperation]) -> None:
        self.operations = sorted(operations, key=lambda operation: operation.at_s)
        self._kinds: dict[type[Operation], list[Operation]] = defaultdict(list)
        for operation in self.operations:
            self._kinds[type(operation)].append(operation)
        self.tries = Counter(invoked.content for invoked in self.of(Invoked))
        self.sends = {invoked.content: invoked for invoked in reversed(self.of(Invoked))}
        """The first attempt of each content."""
        self.restores = [restored.at_s for restored in self.of(Restored)]
        self.final_epochs = {stored.room: stored.epoch for stored in self.of(Stored)}
        self.answers: dict[str, list[Acked | Refused | Unknown]] = defaultdict(list)
        answers: list[Acked | Refused | Unknown] = [*self.of(Acked), *self.of(Refused), *self.of(Unknown)]
        for answer in answers:
            self.answers[answer.content].append(answer)

    def of(self, kind: type[Kind]) -> list[Kind]:
        return self._kinds.get(kind, [])  # type: ignore[return-value]  # each list has its key's kind alone

    def restored_between(self, after_s: float, before_s: float = inf) -> bool:
        return any(after_s <= restored_s <= before_s for restored_s in self.restores)

    def is_refused_for_good(self, content: str) -> bool:
        """Whether every attempt was answered, and each by a refusal that allows no retry."""
        answers = self.answers.get(content, [])
        return len(answers) >= self.tries[content] > 0 and all(
            isinstance(answer, Refused) and answer.final for answer in answers
        )


class Walk:
    """A way through offsets that should go up by one; says of each step what is wrong with it."""

    def __init__(self, offset: int) -> None:
        self.start = self.last = offset
        self._skipped_after: list[int] = []
        self._skipped: list[tuple[int, set[int]]] = []

    def step(self, offset: int) -> Fault | None:
        """A gap is only one in the end (`gaps`), if nothing fills it: what does is reordered."""
        if offset == self.last + 1:
            self.last = offset
            return None
        if offset > self.last:
            self._skipped_after.append(self.last)
            self._skipped.append((offset, set()))
            self.last = offset
            return Fault.GAP
        before, late = self._hole(offset)
        if offset >= before or offset in late:
            return Fault.DOUBLED
        late.add(offset)
        return Fault.REORDERED

    def _hole(self, offset: int) -> tuple[int, set[int]]:
        index = bisect_left(self._skipped_after, offset) - 1
        return self._skipped[index] if index >= 0 else (self.start, set())

    def gaps(self) -> Iterator[tuple[int, int, int]]:
        """For each hole: the offset before it, the one behind it, and how many are missing."""
        for after, (before, late) in zip(self._skipped_after, self._skipped, strict=True):
            if missing := before - after - 1 - len(late):
                yield after, before, missing


class Heads:
    """How a room's head rose with time, as far as it is known. Fed in the order of time."""

    def __init__(self) -> None:
        self._times_s: list[float] = []
        self._highest: list[Acked | Delivered] = []

    def rise(self, seen: Acked | Delivered) -> None:
        if not self._highest or seen.offset > self._highest[-1].offset:
            self._times_s.append(seen.at_s)
            self._highest.append(seen)

    def before(self, at_s: float) -> Acked | Delivered | None:
        """The highest that was known before this time."""
        index = bisect_left(self._times_s, at_s) - 1
        return self._highest[index] if index >= 0 else None


def missed(after: int, before: int, missing: int) -> str:
    return f"{missing} missing between {after} and {before}"


WORDS = {Fault.DOUBLED: "again", Fault.REORDERED: "later than one behind it"}


# What is stored, and what was said of it


def acked_is_stored(run: Run, _: Limits) -> Iterator[Violation]:
    stored: dict[str, list[Place]] = defaultdict(list)
    for message in run.of(Stored):
        stored[message.content].append(place(message))
    told: set[str] = set()
    for ack in run.of(Acked):
        found = stored.get(ack.content, [])
        if ack.content in told or (where := _in_the_end(run, ack)) is None or where in found:
            continue
        told.add(ack.content)
        said = f"{name(ack.content)} was acked at {_at(place(ack))}"
        if found:
            yield Violation(Invariant.ACKED_IS_STORED, f"{said} but is stored at {_at(found[0])}.")
        else:
            yield Violation(Invariant.ACKED_IS_STORED, f"{said} but is not stored.", Fault.LOST)


def _in_the_end(run: Run, ack: Acked) -> Place | None:
    """Where history must have it; None if a restore may have taken it away. A backup keeps offsets, not epochs."""
    epoch = run.final_epochs.get(ack.room)
    restores = [restored for restored in run.of(Restored) if restored.at_s >= ack.at_s]
    if epoch == ack.epoch or not restores:
        return place(ack)
    if any(restored.copied_s is None or restored.copied_s <= ack.at_s for restored in restores):
        return None
    return ack.room, epoch or ack.epoch, ack.offset


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
    """Beyond what is stored twice, which `stored_without_holes` tells."""
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
    """Of all that was acked before a send, only the highest offset matters."""
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


def one_epoch_per_restore(run: Run, _: Limits) -> Iterator[Violation]:
    epochs: dict[str, dict[str, None]] = defaultdict(dict)
    everything: list[Began | Positioned] = [*run.of(Began), *run.of(Delivered), *run.of(Acked), *run.of(Stored)]
    for seen in everything:
        epochs[seen.room][seen.epoch] = None
    for room, names in epochs.items():
        if len(names) > 1 + len(run.restores):
            sentence = f"{room} had the epochs {', '.join(names)}, with {len(run.restores)} restores."
            yield Violation(Invariant.ONE_EPOCH, sentence)


# What a connection was told


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
)  # fmt: skip


# Streams: each room on each connection, and each reader over its connections


class Stream:
    """What a connection was told of one room, live, from one `Began` on."""

    def __init__(self, began: Began) -> None:
        self.began = began
        self.epoch = began.epoch
        self.walk = Walk(began.offset)
        self.highs = [began.offset]
        self.highs_at_s = [began.at_s]
        """When each of `highs`, which only grow, had come."""

    def reached_at_s(self, offset: int) -> float:
        """When everything up to `offset` had come, holes aside; never is infinite."""
        index = bisect_left(self.highs, offset)
        return self.highs_at_s[index] if index < len(self.highs) else inf

    def high_at(self, at_s: float) -> int:
        return self.highs[max(0, bisect_right(self.highs_at_s, at_s) - 1)]

    def __str__(self) -> str:
        return f"{self.began.connection} in {self.began.room}"


@dataclass(slots=True)
class Held:
    """How far a reader has a room without a hole: `whole`, with what came in pages; `told`, by its stream alone."""

    connection: str
    epoch: str
    whole: int
    told: int
    _beyond: set[int] = field(default_factory=set)

    @property
    def least(self) -> int:
        return min(self.told, self.whole)

    def take(self, offset: int) -> None:
        if offset > self.whole:
            self._beyond.add(offset)
        while self.whole + 1 in self._beyond:
            self.whole += 1
            self._beyond.remove(self.whole)

    def jump(self, offset: int) -> None:
        """Take what follows a gap that has been told: it is not told once more at the next resume."""
        self.whole = max(self.whole, offset - 1)
        self.take(offset)


class Streams:
    """Follows every connection and every reader through the run."""

    def __init__(self, run: Run) -> None:
        self.all: list[Stream] = []
        self.current: dict[tuple[str, str], Stream] = {}
        """By connection and room: the stream since the last `Began`."""
        self._readers: dict[str, str] = {}
        self._held: dict[tuple[str, str], Held] = {}
        self._found: list[Violation] = []
        self._owing: dict[str, dict[str, Began]] = defaultdict(dict)
        for operation in run.operations:
            match operation:
                case Delivered(paged=False):
                    self._live(operation)
                case Delivered():
                    self._paged(operation)
                case Opened():
                    self._readers[operation.connection] = operation.reader
                case Began():
                    self._began(operation)
                case Closed():
                    self._settle(operation.connection, is_broken=True)
        for connection in list(self._owing):
            self._settle(connection, is_broken=False)

    def violations(self) -> Iterator[Violation]:
        yield from self._found
        for stream in self.all:
            for after, before, missing in stream.walk.gaps():
                is_resume = stream.began.since is not None and after == stream.began.offset
                invariant = Invariant.RESUME_IS_EXACT if is_resume else Invariant.STREAM_IN_ORDER
                yield Violation(invariant, f"{stream}: {missed(after, before, missing)}.", Fault.GAP)

    def _say(self, invariant: Invariant, sentence: str, fault: Fault | None = None) -> None:
        self._found.append(Violation(invariant, sentence, fault))

    def _key(self, operation: Began | Delivered) -> tuple[str, str]:
        return self._readers.get(operation.connection, operation.connection), operation.room

    def _began(self, began: Began) -> None:
        before = self.current.get((began.connection, began.room))
        stream = self._stream(began)
        if before is not None and before.epoch != began.epoch:
            self._say(Invariant.ONE_EPOCH, f"{stream}: the epoch went from {before.epoch} to {began.epoch}.")
        held = self._held.get(self._key(began))
        if held is not None and began.since is not None and held.epoch != began.epoch:
            sentence = f"{stream}: resumed in {began.epoch} what was held in {held.epoch}, and said nothing of a reset."
            self._say(Invariant.ONE_EPOCH, sentence)
        if held is not None and held.epoch != began.epoch:
            held = None
        if began.since is None:
            self._anew(stream, held)
        else:
            self._resumed(stream, began.since, held)

    def _stream(self, began: Began) -> Stream:
        stream = Stream(began)
        self.all.append(stream)
        self.current[began.connection, began.room] = stream
        return stream

    def _hold(self, began: Began, offset: int) -> Held:
        self._held[self._key(began)] = held = Held(began.connection, began.epoch, offset, offset)
        return held

    def _anew(self, stream: Stream, held: Held | None) -> None:
        """Within one connection one may leave a room and come back later in it; over connections, one resumes."""
        began = stream.began
        is_back = held is not None and held.connection != began.connection
        if held is not None and is_back and not held.least <= began.offset <= held.whole:
            sentence = f"{stream}: began at {began.offset} and not at {held.whole}, which the reader held."
            self._say(Invariant.RESUME_IS_EXACT, sentence, Fault.GAP if began.offset > held.whole else Fault.DOUBLED)
        self._hold(began, began.offset)

    def _resumed(self, stream: Stream, since: int, held: Held | None) -> None:
        began = stream.began
        if held is not None and not held.least <= since <= held.whole:
            fault = Fault.GAP if since > held.whole else Fault.DOUBLED
            sentence = f"{stream}: resumed from {since}, but the reader held {held.whole}."
            self._say(Invariant.STREAM_IN_ORDER, sentence, fault)
        if began.offset < since:
            sentence = f"{stream}: resumed from {since}, but goes on from {began.offset} again."
            self._say(Invariant.RESUME_IS_EXACT, sentence, Fault.DOUBLED)
        if held is None or since > held.whole:
            held = self._hold(began, since)
        held.connection, held.told = began.connection, max(since, held.least)
        if began.offset > held.whole:
            self._owing[began.connection][began.room] = began

    def _settle(self, connection: str, *, is_broken: bool) -> None:
        """Whether the pages came that a resume left to be read; if it broke, whether they had begun to come."""
        for began in self._owing.pop(connection, {}).values():
            held = self._held[self._key(began)]
            is_forgiven = is_broken and held.whole > (began.since or 0)
            if held.connection == connection and held.whole < began.offset and not is_forgiven:
                self._never_came(began, held)

    def _settle_first(self, began: Began, held: Held) -> None:
        """The first page comes with the reply that began this, so before anything live."""
        is_owing = held.connection == began.connection and began.room in self._owing.get(began.connection, {})
        if is_owing and held.whole <= (began.since or 0):
            del self._owing[began.connection][began.room]
            self._never_came(began, held)

    def _never_came(self, began: Began, held: Held) -> None:
        sentence = (
            f"{began.connection} in {began.room}: resumed from {began.since}, but went on after {began.offset};"
            f" what follows {held.whole} never came."
        )
        self._say(Invariant.RESUME_IS_EXACT, sentence, Fault.GAP)

    def _paged(self, message: Delivered) -> None:
        held = self._held.get(self._key(message))
        if held is not None and held.epoch == message.epoch:
            held.take(message.offset)

    def _live(self, message: Delivered) -> None:
        stream = self.current.get((message.connection, message.room))
        if stream is None or stream.epoch != message.epoch:
            self._start_over(message, stream)
            return
        held = self._held[self._key(message)]
        if len(stream.highs) == 1:
            self._settle_first(stream.began, held)
        fault = stream.walk.step(message.offset)
        if fault in WORDS:
            is_resume = stream.began.since is not None and len(stream.highs) == 1
            invariant = Invariant.RESUME_IS_EXACT if is_resume else Invariant.STREAM_IN_ORDER
            self._say(invariant, f"{stream}: {message.offset} comes {WORDS[fault]}.", fault)
            return
        stream.highs.append(message.offset)
        stream.highs_at_s.append(message.at_s)
        if held.connection == message.connection:
            held.told = max(held.told, message.offset)
            (held.take if fault is None else held.jump)(message.offset)

    def _start_over(self, message: Delivered, before: Stream | None) -> None:
        """Where the stream is none that began: tell that once, and go on from here."""
        began = Began(
            at_s=message.at_s, connection=message.connection, room=message.room, epoch=message.epoch,
            offset=message.offset,
        )  # fmt: skip
        if before is None:
            sentence = f"{message.connection} in {message.room}: {message.offset} comes, but nothing had begun."
            self._say(Invariant.STREAM_IN_ORDER, sentence)
        else:
            sentence = f"{before}: the epoch went from {before.epoch} to {message.epoch}, at {message.offset}."
            self._say(Invariant.ONE_EPOCH, sentence)
        self._stream(began)
        self._hold(began, began.offset)


class Arrival:
    """Whether all that was stored has come to each open connection, and when."""

    def __init__(self, run: Run, streams: Streams, limits: Limits) -> None:
        self._limits = limits
        self._final_epochs = run.final_epochs
        self._final_heads: dict[str, int] = {}
        for stored in run.of(Stored):
            self._final_heads[stored.room] = max(stored.offset, self._final_heads.get(stored.room, 0))
        self._healed_s = max((healed.at_s for healed in run.of(Healed)), default=-inf)
        """Where nothing was ever broken, it was whole from the start."""
        self._known: dict[tuple[str, str], Heads] = defaultdict(Heads)
        for seen in run.operations:
            if isinstance(seen, Acked | Delivered):
                self._known[seen.room, seen.epoch].rise(seen)
        ends_s = self._ends(run)
        self._judged = [
            (stream, end_s)
            for stream in streams.current.values()
            if (end_s := ends_s.get(stream.began.connection, inf)) >= self._deadline_s(stream)
        ]

    @staticmethod
    def _ends(run: Run) -> dict[str, float]:
        """When each connection was over; none that was open at the end."""
        read_s = min((stored.at_s for stored in run.of(Stored)), default=inf)
        ends_s = {closed.connection: closed.at_s for closed in run.of(Closed) if closed.at_s < read_s}
        sessions_s = {ended.session: ended.at_s for ended in reversed(run.of(Ended))}
        for opened in run.of(Opened):
            if opened.session in sessions_s:
                end_s = min(sessions_s[opened.session], ends_s.get(opened.connection, inf))
                ends_s[opened.connection] = end_s
        return ends_s

    def _deadline_s(self, stream: Stream) -> float:
        return max(self._healed_s, stream.began.at_s) + self._limits.on_time_s

    def _head(self, stream: Stream, at_s: float) -> int:
        """The highest offset that was known to be stored before that time."""
        head = self._known[stream.began.room, stream.epoch].before(at_s)
        return 0 if head is None else head.offset

    def _final_head(self, stream: Stream, end_s: float) -> int:
        if end_s == inf:
            return self._final_heads.get(stream.began.room, 0)
        return self._head(stream, end_s - self._limits.on_time_s)

    def violations(self) -> Iterator[Violation]:
        for stream, end_s in self._judged:
            final_epoch = self._final_epochs.get(stream.began.room, stream.epoch)
            if end_s == inf and stream.epoch != final_epoch:
                sentence = f"{stream}: still open in the end, in {stream.epoch}; history is in {final_epoch}."
            elif (had := stream.high_at(end_s)) < (head := self._final_head(stream, end_s)):
                sentence = f"{stream}: had {had} of {head} in the end."
            elif (came_s := stream.reached_at_s(self._head(stream, self._healed_s))) > self._deadline_s(stream):
                sentence = (
                    f"{stream}: what was stored before the heal had come only {came_s - self._healed_s:.1f} s after."
                )
            else:
                continue
            yield Violation(Invariant.ON_TIME, sentence)

    def recovery_s(self) -> float | None:
        until_s = self._healed_s + self._limits.on_time_s
        came_s = [
            stream.reached_at_s(self._head(stream, self._healed_s))
            for stream, _ in self._judged
            if stream.began.at_s <= until_s
        ]
        if self._healed_s == -inf or not came_s or max(came_s) == inf:
            return None
        return max(0.0, max(came_s) - self._healed_s)


def _counts(run: Run, violations: list[Violation]) -> Counts:
    acked = {ack.content for ack in run.of(Acked)} & run.sends.keys()
    refused = sum(run.is_refused_for_good(content) for content in run.sends)
    paged = sum(message.paged for message in run.of(Delivered))
    return Counts(
        sent=len(run.sends), acked=len(acked), refused=refused, unknown=len(run.sends) - len(acked) - refused,
        delivered=len(run.of(Delivered)) - paged, paged=paged, stored=len(run.of(Stored)), **faults(violations),
    )  # fmt: skip
