"""The targets that Chatterbox must reach; ratios compare runs of the same round. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from bench.figures import Measured
from bench.promises.bars import Bar, Line, Part

OURS, RAW, BROADCASTER = "Chatterbox", "C send", "FastAPI, broadcaster, Redis"
_PER_DELIVERY, _PER_MESSAGE = "cpu_us_per_delivery", "cpu_us_per_message"
Runs: TypeAlias = Mapping[tuple[str, str], Sequence[Measured]]
"""One `Measured` for each round, by workload and subject; empty when the run failed."""


@dataclass(frozen=True, slots=True)
class Target:
    """A bar and the figure judged by it: ours, or its ratio to the figure of another subject in the same round."""

    workload: str
    bar: Bar
    key: str
    other: str | None = None
    subject: str = OURS

    def line(self, runs: Runs) -> Line:
        ours = runs.get((self.workload, self.subject), ())
        if self.other is None:
            return Line(self.bar, [run[self.key] for run in ours if run])
        others = runs.get((self.workload, self.other), ())
        pairs = [(run[self.key], other[self.key]) for run, other in zip(ours, others, strict=False) if run and other]
        return Line(self.bar, [one / other for one, other in pairs])


def _times(workload: str, what: str, key: str, other: str, most: float) -> Target:
    return Target(workload, Bar(f"{workload}: {what}", "times", most=most), key, other)


def _scaled(workload: str, gateways: int) -> Target:
    what = f"CPU per delivery with {gateways} gateways, relative to one gateway"
    bar = Bar(f"{workload}: {what}", "times", most=1.1)
    return Target(workload, bar, _PER_DELIVERY, f"{OURS}, 1 gateway", f"{OURS}, {gateways} gateways")


def _most(workload: str, what: str, key: str, unit: str, most: float, digits: int = 1) -> Target:
    return Target(workload, Bar(f"{workload}: {what}", unit, most=most, digits=digits), key)


def _least(workload: str, what: str, key: str, unit: str, least: float, digits: int = 0) -> Target:
    return Target(workload, Bar(f"{workload}: {what}", unit, least=least, digits=digits), key)


TARGETS = (
    _least("pages", "pages of 50 messages", "pages_per_s", "pages/s", 2_500),
    _most("pages-1", "p50", "page_p50_ms", "ms", 0.5, 2),
    _least("closed-16", "acked sends", "acked_per_s", "sends/s", 6_000),
    _times("w1l", "gateway CPU per delivery, relative to C send", _PER_DELIVERY, RAW, 1.35),
    _times("w1", "gateway CPU per delivery, relative to C send", _PER_DELIVERY, RAW, 0.7),
    _most("w1", "delivery p99", "delivery_p99_ms", "ms", 60),
    _least("w1", "delivered", "delivered_percent", "%", 100),
    _least("w2", "sustained through commit and Redis, p99 ≤ 150 ms", "delivered_per_s", "deliveries/s", 2_000_000),
    _least("w2-published", "sustained by the gateway, p99 ≤ 150 ms", "delivered_per_s", "deliveries/s", 5_000_000),
    _times("w3", "gateway CPU per message, relative to C send", _PER_MESSAGE, RAW, 2),
    _times("w3", "CPU of all processes per message, relative to broadcaster", "all_us_per_message", BROADCASTER, 1),
    _least("acked-most", "sustained, ack p99 ≤ 100 ms", "acked_per_s", "acked sends/s", 10_000),
    _most("acked-100", "ack p50", "ack_p50_ms", "ms", 6, 2),
    *(_scaled(workload, gateways) for workload in ("replicas-20", "replicas-100") for gateways in (2, 4)),
    _most("crowd-10000", "gateway memory per connection", "kib_per_connection", "KiB", 8),
    _most("crowd-18000", "gateway memory per connection", "kib_per_connection", "KiB", 8),
    _most("crowd-50000", "gateway memory per connection", "kib_per_connection", "KiB", 8),
    _least("crowd-10000", "connects with token check and welcome", "connects_per_s", "connects/s", 2500),
)
MADE = (
    "Each ratio compares two runs of the same round; the median of the rounds decides. n counts rounds. With fewer "
    "than three rounds, or with a trouble listed below, a verdict is only a first impression."
)


def judged(runs: Runs, targets: Sequence[Target] = TARGETS) -> Part:
    """A line for each target whose workload was run; a failed run does not reach its target."""
    run = {workload for workload, _ in runs}
    return Part("Targets", MADE, [target.line(runs) for target in targets if target.workload in run])
