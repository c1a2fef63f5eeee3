"""Finds the highest sustained rate by running a workload at rising rates."""

from collections.abc import Callable
from typing import NamedTuple

from bench.measure import Outcome, measure
from bench.subject import Subject
from bench.workloads import Ladder, Workload

STRIDE = 4
"""Step of the first pass: a fast server would otherwise run twenty rates that say nothing about it."""
PATIENCE = 2
"""Consecutive rates that must fail to stop; a single failure may be noise."""
FAR_OFF = 4
"""A p99 this many times over its limit is not noise."""


class Rung(NamedTuple):
    """One rate (messages/s) and its result."""

    rate: float
    per_s: float
    """Deliveries a second, or acks where the ladder counts acks."""
    p99_ms: float
    is_sustained: bool


class Climb(NamedTuple):
    """All rungs, and the outcome of the highest sustained one (None without any)."""

    rungs: list[Rung]
    best: Outcome | None


def climb(subject: Subject, workload: Workload, ladder: Ladder, core: int | None) -> Climb:
    """Run each rate on a freshly started server."""
    outcomes: dict[int, Outcome] = {}

    def attempt(number: int) -> Rung:
        rate = ladder.rates[number]
        outcomes[number] = measure(subject, workload.at(rate), core)
        return rung(rate, outcomes[number], ladder)

    tried = climbed(attempt, ladder)
    best = max((number for number, each in tried.items() if each.is_sustained), default=None)
    return Climb([tried[number] for number in sorted(tried)], None if best is None else outcomes[best])


def climbed(attempt: Callable[[int], Rung], ladder: Ladder) -> dict[int, Rung]:
    """Try rungs until the highest sustained one is known: first in strides, then one by one. Returns them by number.

    A failed stride may be noise, so single steps continue past it if they reach it. Pure, except for `attempt`, which
    is called once for each rung.
    """
    tried: dict[int, Rung] = {}
    first = 0
    for number in range(0, len(ladder.rates), STRIDE):
        tried[number] = attempt(number)
        if not tried[number].is_sustained:
            break
        first = number + 1
    for number in range(first, len(ladder.rates)):
        if number not in tried:
            tried[number] = attempt(number)
        if is_over([tried[each] for each in range(first, number + 1)], ladder):
            break
    return tried


def is_over(rungs: list[Rung], ladder: Ladder) -> bool:
    """Whether the last results rule out a higher rate. Pure."""
    if rungs[-1].is_sustained:
        return False
    return rungs[-1].p99_ms > FAR_OFF * ladder.p99_ms or not any(each.is_sustained for each in rungs[-PATIENCE:])


def rung(rate: float, outcome: Outcome, ladder: Ladder) -> Rung:
    """Judge one rate: whether everything arrived, and within the p99 limit. Pure."""
    seen = outcome.seen
    if ladder.counts == "acks":
        per_s, p99_ms, whole = seen.acked_in_run / seen.run_s, seen.ack_ms.p99, seen.acked >= seen.sent
    else:
        per_s, p99_ms, whole = seen.delivered_in_run / seen.run_s, seen.delivery_ms.p99, not outcome.is_lossy
    return Rung(rate, per_s, p99_ms, whole and per_s > 0 and p99_ms <= ladder.p99_ms)
