"""The checker's verdict on a run: violations as sentences, and counts. Pure data."""

from collections.abc import Iterable
from enum import StrEnum

import msgspec

ON_TIME_S = 15.0
"""Everything must have arrived this long after all faults are over (seconds)."""


class Invariant(StrEnum):
    """An invariant; `MEANINGS` has its sentence."""

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
    ACKED_CHANGE_IS_STORED = "I14"
    CHANGES_JOIN = "I15"
    HELD_IS_STORED = "I16"
    ACKED_IN_TIME = "I17"
    READ_STATE_HOLDS = "I18"
    ERASED_IS_GONE = "I19"
    PRESENCE_IS_TRUE = "I20"
    FILES_ARE_NAMED = "I21"
    RECIPIENTS_READ = "E1"
    SAYS_WHAT_WAS_TYPED = "E3"
    TO_DEVICE_IN_ORDER = "E4"
    INDEX_USED_ONCE = "E5"
    NO_WORD_IN_CLEAR = "E7"


MEANINGS = {
    Invariant.ACKED_IS_STORED: "Every acked message is stored at the position in its ack.",
    Invariant.STORED_WITHOUT_HOLES: "Stored messages have the offsets 1, 2, 3 …, and no message is stored twice.",
    Invariant.ONE_MESSAGE_PER_POSITION: "A position names one message, for every observer, at any time.",
    Invariant.STREAM_IN_ORDER: "A connection receives every offset in order, and so does a reader across connections.",
    Invariant.NOTHING_FROM_NOWHERE: "Every message seen was sent, was not refused permanently, and is in one place.",
    Invariant.SAME_ACK: "All acks of a message name the same position.",
    Invariant.REAL_TIME: "A message acked before another one was sent is stored before it.",
    Invariant.ONE_EPOCH: "An epoch changes only by a restore, and never within a connection.",
    Invariant.RESUME_IS_EXACT: "A reader that resumes receives every message since exactly its position.",
    Invariant.ON_TIME: "After all faults, every open connection has every message in time.",
    Invariant.ENDED_IS_ENDED: "A session that has ended receives nothing more.",
    Invariant.AT_REST: "Each process returns to the memory and the descriptors that it started with.",
    Invariant.TIME_GOES_FORWARD: "Within a room, no message has an earlier timestamp than the one before it.",
    Invariant.ACKED_CHANGE_IS_STORED: "Every acked change is in the message as stored, or a later one of its kind is.",
    Invariant.CHANGES_JOIN: "The changes that a connection receives follow each other without a hole, up to the last.",
    Invariant.HELD_IS_STORED: "A message of one rev is the same for all; in the end, each reader holds what is stored.",
    Invariant.ACKED_IN_TIME: "A message is acked in time after it was first sent, however long a fault lasts.",
    Invariant.READ_STATE_HOLDS: "Read positions never fall, all devices agree in the end, and counts are right.",
    Invariant.ERASED_IS_GONE: "A text that was deleted or edited away is in no frame, file, object or restored backup.",
    Invariant.PRESENCE_IS_TRUE: "Nobody is shown offline who is or was just connected; in the end, all is shown as is.",
    Invariant.FILES_ARE_NAMED: "Every file of a message is there with its bytes; a day later, no other file is.",
    Invariant.RECIPIENTS_READ: "Every device that could read the room when a message was stored reads it in the end.",
    Invariant.SAYS_WHAT_WAS_TYPED: "One key has one stored message, the same for all, and it says what was typed.",
    Invariant.TO_DEVICE_IN_ORDER: "Each to-device message is worked off once, and in order for each pair of devices.",
    Invariant.INDEX_USED_ONCE: "No index of a ratchet encrypts two texts.",
    Invariant.NO_WORD_IN_CLEAR: "No word of an encrypted text is in a file, log, process, payload or client file.",
}


class Fault(StrEnum):
    """What happened to a message: the field of `Counts` that counts it."""

    LOST = "lost"
    DOUBLED = "doubled"
    REORDERED = "reordered"
    GAP = "gaps"
    UNEXPLAINED = "unexplained"


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Limits of the invariants that have one."""

    on_time_s: float = ON_TIME_S
    """From the end of all faults, or the start of a connection if later, until everything has arrived."""
    ack_s: float = 60.0
    """From the first send of a message to its ack, faults included; a run without faults has a shorter limit."""
    erased_s: float = 60.0
    """From the ack of a deletion or edit until the earlier text is in no file and no memory."""
    erased_frames_s: float = 1.0
    """From that ack, once all faults are over, until no connection receives the earlier text."""
    erased_in_memory: float = 0.25
    """Share of erased texts that the memory of one process may still have: memory is not overwritten when freed. No
    object may have one."""
    presence_grace_s: float = 4.0
    """How long after the end of a user's last connection nobody may be told that the user is offline."""
    presence_late_s: float = 15.0
    """From a welcome until nobody may be told any more that the user is offline, faults included."""
    files_s: float = 15.0
    """From a start of history and files, a day later, until files are removed that no message has."""
    session_s: float = 1.0
    """From the end of a session until it receives nothing more."""
    resident_ratio: float = 1.2
    resident_slack_bytes: int = 16 * 2**20
    """A process may hold `resident_ratio` of its initial memory, plus this."""
    descriptors_slack: int = 8


class Violation(msgspec.Struct, frozen=True):
    """A violation of an invariant."""

    invariant: Invariant
    sentence: str
    fault: Fault | None = None

    def __str__(self) -> str:
        return f"{self.invariant}: {self.sentence}"


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """Counts of messages. Every message sent is acked, refused (permanently) or unknown."""

    sent: int = 0
    acked: int = 0
    unknown: int = 0
    refused: int = 0
    delivered: int = 0
    """Deliveries to each reader, without those in pages."""
    paged: int = 0
    stored: int = 0
    lost: int = 0
    doubled: int = 0
    reordered: int = 0
    gaps: int = 0
    """Places in a stream or in history where messages are missing; the violation has their number."""
    unexplained: int = 0


def faults(violations: Iterable[Violation]) -> dict[str, int]:
    """The number of each kind; the keys are fields of `Counts`."""
    counted = dict.fromkeys((fault.value for fault in Fault), 0)
    for violation in violations:
        if violation.fault is not None:
            counted[violation.fault] += 1
    return counted


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """The verdict on one run."""

    violations: list[Violation]
    counts: Counts
    recovery_s: float | None = None
    """From the end of all faults until every open connection had what was stored before; None if unknown."""

    @property
    def is_clean(self) -> bool:
        return not self.violations

    @property
    def broken(self) -> set[Invariant]:
        return {violation.invariant for violation in self.violations}
