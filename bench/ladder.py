"""Rates, one after another, until one is not sustained: the highest that was is what a server can do."""

from typing import NamedTuple

from bench.measure import Outcome, measure
from bench.subject import Subject
from bench.workloads import Ladder, Workload

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
    rungs: list[Rung] = []
    best: Outcome | None = None
    for rate in ladder.rates:
        outcome = measure(subject, workload.at(rate), core)
        rungs.append(rung(rate, outcome, ladder))
        if rungs[-1].is_sustained:
            best = outcome
        elif is_over(rungs, ladder):
            break
    return Climb(rungs, best)


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
