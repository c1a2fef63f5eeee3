"""The workloads: each has a load and the figures computed from its outcome. Add new ones to `WORKLOADS`."""

from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import Literal

from bench.groups import (
    CONNECTIONS,
    CROWDS,
    FAN_OUT,
    LARGE_ROOMS,
    PAGES,
    REPLICAS,
    SENDS,
    SENDS_APART,
    SMALL_ROOMS,
    Group,
)
from bench.loadgen import Load


class Against(Enum):
    """The subjects that run a workload."""

    NOTHING = auto()
    """Only Chatterbox, in one process."""
    APART = auto()
    """Only Chatterbox, as separate processes."""
    REPLICAS = auto()
    """The same with one, two and four gateways."""
    PAGES = auto()
    """Chatterbox in one process, and the peers that serve pages."""
    PEERS = auto()
    """The send loop in C, Chatterbox as separate processes, and every peer."""


@dataclass(frozen=True, slots=True)
class Ladder:
    """Rising rates, until one is not sustained: p99 exceeds `p99_ms`, or something is missing."""

    rates: tuple[float, ...]
    """Messages a second."""
    p99_ms: float
    counts: Literal["deliveries", "acks"] = "deliveries"
    """What must be complete, and whose p99 counts."""


@dataclass(frozen=True, slots=True)
class Workload:
    """A row of its group's table for each subject. With a ladder, the row shows the highest sustained rate."""

    name: str
    title: str
    group: Group
    load: Load
    against: Against = Against.NOTHING
    ladder: Ladder | None = None

    def quick(self) -> "Workload":
        """A short version, for a first impression."""
        load = replace(self.load, run_s=min(self.load.run_s, 2.0), warm_s=0.5)
        return replace(self, load=load)

    def at(self, rate: float) -> Load:
        """The load of one rung of the ladder."""
        return replace(self.load, rate=rate)


def _closed(senders: int, rooms: int) -> Workload:
    where = f"{rooms} room{'s' * (rooms > 1)} of {senders // rooms}"
    title = f"{senders} sender{'s' * (senders > 1)} in {where}, each waiting for its ack"
    load = Load(members=senders, senders=senders, rooms=rooms, run_s=6)
    return Workload(f"closed-{senders}", title, SENDS, load)


def _pages(name: str, connections: int) -> Workload:
    load = Load(members=connections, pages=True, run_s=4)
    title = f"{connections} connection{'s' * (connections > 1)}, the newest 50 messages, each waiting for its page"
    return Workload(name, title, PAGES, load, Against.PAGES)


def _open(rate: int, rooms: int, run_s: float) -> Workload:
    where = "1 room of 100" if rooms == 1 else f"{rooms} rooms of {100 // rooms}"
    load = Load(members=100, senders=100, rooms=rooms, rate=rate, run_s=run_s)
    return Workload(f"open-{rate}-rooms-{rooms}", f"100 senders in {where}, {rate:,}/s at a fixed rate", SENDS, load)


def _idle(members: int) -> Workload:
    load = Load(members=members, joins=False)
    return Workload(f"idle-{members}", f"{members:,} connections, welcomed, then idle", CONNECTIONS, load)


def _room(name: str, rate: int) -> Workload:
    load = Load(members=1000, senders=10, rate=rate, run_s=8)
    return Workload(name, f"1 room of 1,000, {rate} messages/s at a fixed rate", LARGE_ROOMS, load, Against.PEERS)


def _replicas(name: str, rate: int) -> Workload:
    load = Load(members=1000, senders=10, rate=rate, run_s=8)
    title = f"1 room of 1,000 over all gateways, {rate} messages/s at a fixed rate"
    return Workload(name, title, REPLICAS, load, Against.REPLICAS)


def _crowd(members: int) -> Workload:
    load = Load(members=members, joins=False, resides=True)
    title = f"{members:,} connections, each in 3 rooms, idle"
    return Workload(f"crowd-{members}", title, CROWDS, load, Against.PEERS if members <= 10_000 else Against.APART)


_LOW = (25, 50, 75, 100)
_HIGH = (1000, 1500, 2050, 2500, 3000, 4000, 5100, 6000, 7000, 8000, 10_000, 12_000)

WORKLOADS = (
    _closed(1, 1),
    _closed(10, 1),
    _closed(16, 2),
    _closed(100, 10),
    _pages("pages-1", 1),
    _pages("pages", 16),
    _open(100, 10, 10),
    _open(5000, 10, 6),
    _open(5000, 100, 6),
    _open(5000, 1, 6),
    _idle(2000),
    _idle(5000),
    Workload(
        "fan-out-200",
        "1 room of 200, 50 messages/s at a fixed rate",
        FAN_OUT,
        Load(members=200, senders=10, rate=50, run_s=10),
    ),
    _room("w1l", 20),
    _room("w1", 100),
    Workload(
        "w3",
        "100 rooms of 10, 500 messages/s at a fixed rate",
        SMALL_ROOMS,
        Load(members=1000, senders=100, rooms=100, rate=500, run_s=8),
        Against.PEERS,
    ),
    Workload(
        "w2",
        "1 room of 1,000, the highest rate sustained",
        LARGE_ROOMS,
        Load(members=1000, senders=100, run_s=3),
        Against.PEERS,
        Ladder((*_LOW, 150, 200, 300, 400, 600, 800, *_HIGH), 150),
    ),
    Workload(
        "w2-published",
        "the same, published to Redis directly",
        LARGE_ROOMS,
        Load(members=1000, published=True, run_s=3),
        Against.APART,
        Ladder((400, 800, *_HIGH), 150),
    ),
    Workload(
        "acked-100",
        "100 senders in 10 rooms of 10, 100/s at a fixed rate",
        SENDS_APART,
        Load(members=100, senders=100, rooms=10, rate=100, run_s=10),
        Against.APART,
    ),
    Workload(
        "acked-most",
        "100 senders in 10 rooms of 10, the highest rate sustained",
        SENDS_APART,
        Load(members=100, senders=100, rooms=10, run_s=4),
        Against.APART,
        Ladder((2000, 3000, 4000, 5000, 6000, 8000, 10_200, 12_000, 15_000, 20_000), 100, "acks"),
    ),
    _replicas("replicas-20", 20),
    _replicas("replicas-100", 100),
    _crowd(10_000),
    _crowd(18_000),
    _crowd(50_000),
)
