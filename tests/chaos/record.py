"""The history of a run indexed for the checks: by kind of operation, in the order of time. Pure."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from math import inf
from typing import TypeVar

from tests.chaos.operations import (
    Acked,
    AnyOperation,
    Invoked,
    Operation,
    Refused,
    Restored,
    Stored,
    Unknown,
)

Kind = TypeVar("Kind", bound=Operation)


class Run:
    """A history by kind of operation in the order of time, with the queries that several checks share."""

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
        """Whether every attempt was answered by a permanent refusal."""
        answers = self.answers.get(content, [])
        return len(answers) >= self.tries[content] > 0 and all(
            isinstance(answer, Refused) and answer.final for answer in answers
        )
