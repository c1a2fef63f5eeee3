"""Checks arrival: whether every stream received all stored messages, and how soon after a fault. Pure."""

from collections import defaultdict
from collections.abc import Iterator
from math import inf

from tests.chaos.offsets import Heads
from tests.chaos.operations import Acked, Closed, Delivered, Ended, Opened, Stored
from tests.chaos.record import Run
from tests.chaos.streams import Stream, Streams
from tests.chaos.verdict import Invariant, Limits, Violation


class Arrival:
    """Whether each open connection received all stored messages, and when."""

    def __init__(self, run: Run, streams: Streams, limits: Limits) -> None:
        self._limits = limits
        self._final_epochs = run.final_epochs
        self._final_heads: dict[str, int] = {}
        for stored in run.of(Stored):
            self._final_heads[stored.room] = max(stored.offset, self._final_heads.get(stored.room, 0))
        self._healed_s = run.healed_s
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
        """When each connection ended, without those still open at the end."""
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
        """The highest offset known to be stored before that time."""
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
