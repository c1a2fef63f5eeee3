"""The history of a run indexed for the checks: by kind of operation, in the order of time. Pure."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from math import inf
from typing import TypeVar

from tests.chaos.operations import (
    Acked,
    AnyOperation,
    Delivered,
    Healed,
    Invoked,
    Operation,
    Refused,
    Restored,
    Stored,
    Unknown,
)
from tests.chaos.original_texts import Place, original

Kind = TypeVar("Kind", bound=Operation)


class Run:
    """A history by kind of operation in the order of time, with the queries that several checks share."""

    def __init__(self, operations: Iterable[AnyOperation]) -> None:
        seen = sorted(operations, key=lambda operation: operation.at_s)
        self.stored_as_is = [operation for operation in seen if isinstance(operation, Stored)]
        """With the texts of edits; everything else has the texts that were sent."""
        self.delivered_as_is = [operation for operation in seen if isinstance(operation, Delivered)]
        self.operations = original(seen)
        self._kinds: dict[type[Operation], list[Operation]] = defaultdict(list)
        for operation in self.operations:
            self._kinds[type(operation)].append(operation)
        self.tries = Counter(invoked.content for invoked in self.of(Invoked))
        self.sends = {invoked.content: invoked for invoked in reversed(self.of(Invoked))}
        """The first attempt of each content."""
        self.restores = [restored.at_s for restored in self.of(Restored)]
        self.healed_s = max((healed.at_s for healed in self.of(Healed)), default=-inf)
        """Without any fault, everything counts as arrived from the start."""
        self.final_epochs = {stored.room: stored.epoch for stored in self.of(Stored)}
        self.answers: dict[str, list[Acked | Refused | Unknown]] = defaultdict(list)
        answers: list[Acked | Refused | Unknown] = [*self.of(Acked), *self.of(Refused), *self.of(Unknown)]
        for answer in answers:
            self.answers[answer.content].append(answer)

    def of(self, kind: type[Kind]) -> list[Kind]:
        return self._kinds.get(kind, [])  # type: ignore[return-value]  # each list has its key's kind alone

    def restored_between(self, after_s: float, before_s: float = inf) -> bool:
        return any(after_s <= restored_s <= before_s for restored_s in self.restores)

    def place_in_the_end(self, acked_s: float, room: str, epoch: str, offset: int) -> Place | None:
        """Where a message that was acked then must be stored; None if a restore may have removed it.

        A backup keeps offsets but not epochs.
        """
        final_epoch = self.final_epochs.get(room)
        restores = [restored for restored in self.of(Restored) if restored.at_s >= acked_s]
        if final_epoch == epoch or not restores:
            return room, epoch, offset
        if any(restored.copied_s is None or restored.copied_s <= acked_s for restored in restores):
            return None
        return room, final_epoch or epoch, offset

    def is_refused_for_good(self, content: str) -> bool:
        """Whether every attempt was answered by a permanent refusal."""
        answers = self.answers.get(content, [])
        return len(answers) >= self.tries[content] > 0 and all(
            isinstance(answer, Refused) and answer.final for answer in answers
        )
