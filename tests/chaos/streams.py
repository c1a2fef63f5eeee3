"""Streams: what each connection received of each room, and what each reader holds across connections. Pure."""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import inf

from tests.chaos.offsets import WORDS, Walk, missed
from tests.chaos.operations import Began, Closed, Delivered, Opened, Stopped
from tests.chaos.record import Run
from tests.chaos.verdict import Fault, Invariant, Violation


class Stream:
    """What a connection received live of one room, from one `Began` on."""

    def __init__(self, began: Began) -> None:
        self.began = began
        self.epoch = began.epoch
        self.walk = Walk(began.offset)
        self.highs = [began.offset]
        self.highs_at_s = [began.at_s]
        """When each of `highs`, which only increase, arrived."""

    def reached_at_s(self, offset: int) -> float:
        """When everything up to `offset` had arrived, apart from gaps; infinite if never."""
        index = bisect_left(self.highs, offset)
        return self.highs_at_s[index] if index < len(self.highs) else inf

    def high_at(self, at_s: float) -> int:
        return self.highs[max(0, bisect_right(self.highs_at_s, at_s) - 1)]

    def __str__(self) -> str:
        return f"{self.began.connection} in {self.began.room}"


@dataclass(slots=True)
class Held:
    """How far a reader has a room without a gap: `whole` includes pages; `told` is by its stream alone."""

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
        """Continue after a gap that was reported, so that it is not reported again at the next resume."""
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
                case Stopped():
                    self._stopped(operation)
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

    def _key(self, operation: Began | Stopped | Delivered) -> tuple[str, str]:
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

    def _stopped(self, stopped: Stopped) -> None:
        """A reader that joins the room again starts over."""
        self.current.pop((stopped.connection, stopped.room), None)
        self._held.pop(self._key(stopped), None)
        self._owing[stopped.connection].pop(stopped.room, None)

    def _stream(self, began: Began) -> Stream:
        stream = Stream(began)
        self.all.append(stream)
        self.current[began.connection, began.room] = stream
        return stream

    def _hold(self, began: Began, offset: int) -> Held:
        self._held[self._key(began)] = held = Held(began.connection, began.epoch, offset, offset)
        return held

    def _anew(self, stream: Stream, held: Held | None) -> None:
        """Within a connection a reader may leave a room and join it again later; across connections it resumes."""
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
        """Whether the pages that a resume left to read arrived; after a broken connection, whether they began to."""
        for began in self._owing.pop(connection, {}).values():
            held = self._held[self._key(began)]
            is_forgiven = is_broken and held.whole > (began.since or 0)
            if held.connection == connection and held.whole < began.offset and not is_forgiven:
                self._never_came(began, held)

    def _settle_first(self, began: Began, held: Held) -> None:
        """The first page arrives with the reply that began this, so before anything live."""
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
        """For deliveries without a `Began`: report that once, and continue from here."""
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
