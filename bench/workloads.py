"""The workloads: each is a load, and the figures read off its outcome. A new one is an entry in `WORKLOADS`."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from bench.figures import Figure, Measured
from bench.loadgen import Load
from bench.measure import Outcome


@dataclass(frozen=True, slots=True)
class Group:
    """Workloads with the same figures: a table."""

    title: str
    figures: tuple[Figure, ...]
    read: Callable[[Outcome], Measured]


@dataclass(frozen=True, slots=True)
class Workload:
    """A row of its group's table, for each subject."""

    name: str
    title: str
    group: Group
    load: Load

    def quick(self) -> "Workload":
        """The same in little time, for a look rather than for a figure."""
        load = replace(self.load, run_s=min(self.load.run_s, 2.0), warm_s=0.5)
        return replace(self, load=load)


def _read_sends(outcome: Outcome) -> Measured:
    seen = outcome.seen
    return {
        "acked_per_s": seen.acked_in_run / seen.run_s,
        "ack_p50_ms": seen.ack_ms.p50,
        "ack_p99_ms": seen.ack_ms.p99,
        "delivery_p99_ms": seen.delivery_ms.p99,
        "cpu_us_per_message": outcome.cpu_s / max(1, seen.acked) * 1e6,
        "server_busy": outcome.cpu_s / seen.run_s * 100,
    }


def _read_connections(outcome: Outcome) -> Measured:
    grown_kib = outcome.memory_connected_kib - outcome.memory_before_kib
    return {
        "connects_per_s": outcome.seen.connected / outcome.seen.connect_s,
        "kib_per_connection": grown_kib / max(1, outcome.seen.connected),
    }


def _read_fan_out(outcome: Outcome) -> Measured:
    seen = outcome.seen
    return {
        "delivered_per_s": seen.delivered_in_run / seen.run_s,
        "delivery_p50_ms": seen.delivery_ms.p50,
        "delivery_p99_ms": seen.delivery_ms.p99,
        "cpu_us_per_delivery": outcome.cpu_s / max(1, seen.delivered) * 1e6,
        "server_busy": outcome.cpu_s / seen.run_s * 100,
    }


_BUSY = Figure("server_busy", "CPU, % of a core")

SENDS = Group(
    "Sends",
    (
        Figure("acked_per_s", "acked sends/s"),
        Figure("ack_p50_ms", "ack p50, ms", 2),
        Figure("ack_p99_ms", "ack p99, ms", 2),
        Figure("delivery_p99_ms", "delivery p99, ms", 2),
        Figure("cpu_us_per_message", "CPU, µs/message"),
        _BUSY,
    ),
    _read_sends,
)
CONNECTIONS = Group(
    "Connections",
    (Figure("connects_per_s", "connects/s"), Figure("kib_per_connection", "KiB/idle connection", 1)),
    _read_connections,
)
FAN_OUT = Group(
    "Fan-out",
    (
        Figure("delivered_per_s", "deliveries/s"),
        Figure("delivery_p50_ms", "delivery p50, ms", 2),
        Figure("delivery_p99_ms", "delivery p99, ms", 2),
        Figure("cpu_us_per_delivery", "CPU, µs/delivery", 1),
        _BUSY,
    ),
    _read_fan_out,
)


def _closed(senders: int) -> Workload:
    rooms = f"1 room of {senders}" if senders <= 10 else f"{senders // 10} rooms of 10"
    title = f"{senders} sender{'s' * (senders > 1)} in {rooms}, each waiting for its ack"
    load = Load(members=senders, senders=senders, rooms=max(1, senders // 10), run_s=6)
    return Workload(f"closed-{senders}", title, SENDS, load)


def _open(rate: int, rooms: int, run_s: float) -> Workload:
    where = "1 room of 100" if rooms == 1 else f"{rooms} rooms of {100 // rooms}"
    load = Load(members=100, senders=100, rooms=rooms, rate=rate, run_s=run_s)
    return Workload(f"open-{rate}-rooms-{rooms}", f"100 senders in {where}, {rate:,}/s by the clock", SENDS, load)


def _idle(members: int) -> Workload:
    load = Load(members=members, joins=False)
    return Workload(f"idle-{members}", f"{members:,} connections, welcomed, then idle", CONNECTIONS, load)


WORKLOADS = (
    _closed(1),
    _closed(10),
    _closed(100),
    _open(100, 10, 10),
    _open(5000, 10, 6),
    _open(5000, 100, 6),
    _open(5000, 1, 6),
    _idle(2000),
    _idle(5000),
    Workload(
        "fan-out-200",
        "1 room of 200, 50 messages/s by the clock",
        FAN_OUT,
        Load(members=200, senders=10, rate=50, run_s=10),
    ),
)
