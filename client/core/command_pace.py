"""Paces the commands that the core sends by itself, so that many rooms at once stay within the server's limits. Pure.

A token bucket without a clock: a timer refills it while it is not full. Half of what the server allows one connection
is left for what a person does.
"""

from dataclasses import dataclass, replace

from chatterbox.wire.limits import Limits

REFILL_S = 0.5
"""How long after a command the bucket is refilled by what became due meanwhile (seconds)."""
SHARE = 0.5
"""The share of the server's limits that the core uses."""
FOR_READ_POSITIONS = 16
"""Commands of the bucket that only read positions may use, so that pages of many rooms don't delay them."""


@dataclass(frozen=True, slots=True)
class CommandPace:
    """Every function below returns a new value."""

    burst: int
    per_refill: int
    left: int
    timer: int = 0
    """The number of the timer that refills it next."""
    is_waiting: bool = False
    """Whether that timer runs; it does whenever the bucket is not full."""


def full(limits: Limits, timer: int = 0) -> CommandPace:
    """A bucket for a new connection. `timer`: the number of the last timer before."""
    burst = max(FOR_READ_POSITIONS + 1, int(limits.commands_burst * SHARE))
    per_refill = max(1, int(limits.commands_per_s * SHARE * REFILL_S))
    return CommandPace(burst, per_refill, burst, timer + 1)


def spend(pace: CommandPace) -> tuple[CommandPace, bool]:
    """Take one command out; the second value tells whether a timer has to be started."""
    return replace(pace, left=pace.left - 1, is_waiting=True), not pace.is_waiting


def empty(pace: CommandPace) -> CommandPace:
    """The server refused a command for its rate: nothing is left until a timer of its own, which has to be started."""
    return replace(pace, left=0, timer=pace.timer + 1, is_waiting=True)


def refill(pace: CommandPace) -> tuple[CommandPace, bool]:
    """The timer ran down; the second value tells whether another has to be started."""
    left = min(pace.burst, pace.left + pace.per_refill)
    is_waiting = left < pace.burst
    return replace(pace, left=left, timer=pace.timer + 1, is_waiting=is_waiting), is_waiting
