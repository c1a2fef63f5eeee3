"""Ever higher rates, until one is not sustained: the highest that was is what a server can do."""

from collections.abc import Callable
from typing import NamedTuple

from bench.measure import Outcome, measure
from bench.subject import Subject
from bench.workloads import Ladder, Workload

STRIDE = 4
"""So many rates are passed over at first: a fast server would otherwise try twenty that tell nothing of it."""
PATIENCE = 2
"""So many rates, one after another, must fail: a single one may be a hiccup of the machine."""
FAR_OFF = 4
"""A p99 so many times what it may be is no hiccup."""


class Rung(NamedTuple):
    """One rate (messages/s) and what came of it."""

    rate: float
    per_s: float
    """Deliveries, or acks where those are counted."""
    p99_ms: float
    is_sustained: bool


class Climb(NamedTuple):
    """All rungs, and the outcome of the highest one that was sustained; None where none was."""

    rungs: list[Rung]
    best: Outcome | None


def climb(subject: Subject, workload: Workload, ladder: Ladder, core: int | None) -> Climb:
    """Each rate is a run of its own, on a server that was just started."""
    outcomes: dict[int, Outcome] = {}

    def attempt(number: int) -> Rung:
        rate = ladder.rates[number]
        outcomes[number] = measure(subject, workload.at(rate), core)
        return rung(rate, outcomes[number], ladder)

    tried = climbed(attempt, ladder)
    best = max((number for number, each in tried.items() if each.is_sustained), default=None)
    return Climb([tried[number] for number in sorted(tried)], None if best is None else outcomes[best])


def climbed(attempt: Callable[[int], Rung], ladder: Ladder) -> dict[int, Rung]:
    """Every rung that it takes to know the highest, by number: in strides to near it, then one by one from there.

    A stride's end that is not sustained may be a hiccup, so the steps go past it if they get there. Pure but for
    `attempt`, which is called once for a rung.
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
    """Whether the last rates say that a higher one is not worth a try. Pure."""
    if rungs[-1].is_sustained:
        return False
    return rungs[-1].p99_ms > FAR_OFF * ladder.p99_ms or not any(each.is_sustained for each in rungs[-PATIENCE:])


def rung(rate: float, outcome: Outcome, ladder: Ladder) -> Rung:
    """What came of one rate: whether all came, and soon enough. Pure."""
    seen = outcome.seen
    if ladder.counts == "acks":
        per_s, p99_ms, whole = seen.acked_in_run / seen.run_s, seen.ack_ms.p99, seen.acked >= seen.sent
    else:
        per_s, p99_ms, whole = seen.delivered_in_run / seen.run_s, seen.delivery_ms.p99, not outcome.is_lossy
    return Rung(rate, per_s, p99_ms, whole and per_s > 0 and p99_ms <= ladder.p99_ms)
