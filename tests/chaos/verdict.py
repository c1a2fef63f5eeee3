"""What the checker says of a run: every broken promise as a sentence, and the figures of the run. Pure data."""

from collections.abc import Iterable
from enum import StrEnum

import msgspec

ON_TIME_S = 15.0
"""Once all faults are over, everything must have arrived after so many seconds."""


class Invariant(StrEnum):
    """A promise that is judged; `MEANINGS` has its sentence."""

    ACKED_IS_STORED = "I1"
    STORED_WITHOUT_HOLES = "I2"
    ONE_MESSAGE_PER_POSITION = "I3"
    STREAM_IN_ORDER = "I4"
    NOTHING_FROM_NOWHERE = "I5"
    SAME_ACK = "I6"
    REAL_TIME = "I7"
    ONE_EPOCH = "I8"
    RESUME_IS_EXACT = "I9"
    ON_TIME = "I10"
    ENDED_IS_ENDED = "I11"
    AT_REST = "I12"
    TIME_GOES_FORWARD = "I13"


MEANINGS = {
    Invariant.ACKED_IS_STORED: "Every acked message is stored, where its ack said.",
    Invariant.STORED_WITHOUT_HOLES: "What is stored has the offsets 1, 2, 3 … and no message twice.",
    Invariant.ONE_MESSAGE_PER_POSITION: "A position names one message, whoever sees it, at any time.",
    Invariant.STREAM_IN_ORDER: "A connection is told of every offset in turn, and a reader over all its connections.",
    Invariant.NOTHING_FROM_NOWHERE: "Nothing is seen that was not sent or was refused for good, nothing in two places.",
    Invariant.SAME_ACK: "Every ack of a message names the same position.",
    Invariant.REAL_TIME: "What was acked before another message was sent stands before it.",
    Invariant.ONE_EPOCH: "An epoch changes by a restore alone, and never inside a connection.",
    Invariant.RESUME_IS_EXACT: "Who comes back gets all that came since, from exactly where they were.",
    Invariant.ON_TIME: "Every open connection has everything in time, once all faults are over.",
    Invariant.ENDED_IS_ENDED: "A session that has ended gets nothing more.",
    Invariant.AT_REST: "Each process comes back to the memory and the descriptors that it began with.",
    Invariant.TIME_GOES_FORWARD: "No message of a room has an earlier time than the one before it.",
}


class Fault(StrEnum):
    """What befell a message, where one was concerned: the word that `Counts` counts it by."""

    LOST = "lost"
    DOUBLED = "doubled"
    REORDERED = "reordered"
    GAP = "gaps"
    UNEXPLAINED = "unexplained"


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """How much is still good."""

    on_time_s: float = ON_TIME_S
    """After the heal (or after a connection began, if that was later) until everything has come."""
    session_s: float = 1.0
    """After the end of a session until nothing more comes to it."""
    resident_ratio: float = 1.2
    resident_slack_bytes: int = 16 * 2**20
    """A process may hold `resident_ratio` of what it held at first, plus this."""
    descriptors_slack: int = 8


class Violation(msgspec.Struct, frozen=True):
    """One broken promise."""

    invariant: Invariant
    sentence: str
    fault: Fault | None = None

    def __str__(self) -> str:
        return f"{self.invariant}: {self.sentence}"


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of a run, in messages. Every message sent is acked, refused (for good) or unknown."""

    sent: int = 0
    acked: int = 0
    unknown: int = 0
    refused: int = 0
    delivered: int = 0
    """Deliveries, to each reader, without those in pages."""
    paged: int = 0
    stored: int = 0
    lost: int = 0
    doubled: int = 0
    reordered: int = 0
    gaps: int = 0
    """Places in a stream or in history where something is missing; how much is in the violation."""
    unexplained: int = 0


def faults(violations: Iterable[Violation]) -> dict[str, int]:
    """How many of each fault; the keys are fields of `Counts`."""
    counted = dict.fromkeys((fault.value for fault in Fault), 0)
    for violation in violations:
        if violation.fault is not None:
            counted[violation.fault] += 1
    return counted


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """The judgement of one run."""

    violations: list[Violation]
    counts: Counts
    recovery_s: float | None = None
    """From the heal until every open connection had what was stored before it; None where that can't be said."""

    @property
    def is_clean(self) -> bool:
        return not self.violations

    @property
    def broken(self) -> set[Invariant]:
        return {violation.invariant for violation in self.violations}
