"""The state of a verification, in which two devices compare keys, as it is stored between messages. Pure."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

import msgspec


class VerificationEnd(StrEnum):
    """How a verification ended. Each has a sentence and a next step (`ended_lines`)."""

    VERIFIED = "verified"
    DEVICE_VERIFIED = "device_verified"
    """A device of one's own was."""
    MISMATCH = "mismatch"
    """The user, here or there, said that the numbers differ."""
    CANCELLED_HERE = "cancelled_here"
    CANCELLED_THERE = "cancelled_there"
    TIMED_OUT = "timed_out"
    KEYS_CHANGED = "keys_changed"
    """The keys of one of the two changed while they were compared."""
    FORGED = "forged"
    """What arrived is not by the other: a wrong commitment or MAC."""
    INCOMPATIBLE = "incompatible"
    """The other program knows no method that this one knows."""
    ELSEWHERE = "elsewhere"
    """Another device of the user answered."""
    BROKEN = "broken"
    """The other program broke the protocol."""


class VerificationPhase(StrEnum):
    """How far a verification is."""

    REQUESTED = "requested"
    """This device asked the other's devices, and none has answered."""
    ASKED = "asked"
    """The other asked; the user here has not answered."""
    READY = "ready"
    """This device answered, and waits for the start."""
    STARTED = "started"
    """This device sent the start."""
    ACCEPTED = "accepted"
    """This device accepted a start, and has committed itself to its key."""
    KEY_SENT = "key_sent"
    """This device sent its key, after the other's commitment."""
    COMPARING = "comparing"
    """Both have both keys: the users compare what their screens show."""
    CONFIRMED = "confirmed"
    """The user here said that it is the same; the other's MAC is missing."""


class Party(msgspec.Struct, frozen=True, kw_only=True):
    """One of the two devices, and whose it is."""

    user: str
    """As Matrix names users: `@7:chatterbox`."""
    device: str = ""
    """Empty while none of the asked devices has answered."""
    device_key: str = ""
    """Ed25519, in base64."""
    master_key: str = ""
    """Ed25519, in base64; empty if it is not known."""


class VerificationState(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a device needs to go on with a verification, after a restart, too."""

    transaction: str
    username: str
    """The other user."""
    mine: Party
    theirs: Party
    asked: dict[str, str]
    """The other's devices that were asked, with their Ed25519 keys."""
    required: str
    """Which key the other must prove: `master`, or `device` for a device of one's own that is new."""
    phase: VerificationPhase
    private_key: bytes
    """X25519, used for this verification only."""
    until_ms: int
    start: dict[str, Any] = {}
    """The content of the start that counts."""
    is_starter: bool = False
    commitment: str = ""
    their_key: str = ""
    their_mac: dict[str, Any] = {}
    taken: tuple[str, ...] = ()
    """Digests of the messages that were taken, so that a repeated one does nothing."""

    @property
    def is_own(self) -> bool:
        """Whether both devices are of the same user."""
        return self.mine.user == self.theirs.user


class Comparison(NamedTuple):
    """What both screens show."""

    numbers: tuple[int, int, int]
    emoji: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class VerificationNews:
    """What the user hears about a verification: a request, what to compare, or the end; exactly one of the three."""

    username: str
    device: str
    """The other's device, if it is known."""
    is_own: bool
    """Whether the other is a device of the same user."""
    device_key: str = ""
    """The other device's Ed25519 key, at the end."""
    is_requested: bool = False
    comparison: Comparison | None = None
    end: VerificationEnd | None = None
