"""Groups of workloads: one table each, with the figures that are computed from an outcome. Pure."""

from collections.abc import Callable
from dataclasses import dataclass

from bench.figures import Figure, Measured
from bench.measure import Outcome


@dataclass(frozen=True, slots=True)
class Group:
    """Workloads that share figures and a table."""

    title: str
    figures: tuple[Figure, ...]
    read: Callable[[Outcome], Measured]


def _read_sends(outcome: Outcome) -> Measured:
    seen = outcome.seen
    return {
        "acked_per_s": seen.acked_in_run / seen.run_s,
        "ack_p50_ms": seen.ack_ms.p50,
        "ack_p99_ms": seen.ack_ms.p99,
        "delivery_p99_ms": seen.delivery_ms.p99,
        "server_busy": outcome.cpu_s / seen.run_s * 100,
        **_cpu_us("message", outcome, seen.acked),
    }


def _read_pages(outcome: Outcome) -> Measured:
    seen = outcome.seen
    return {
        "pages_per_s": seen.acked_in_run / seen.run_s,
        "page_p50_ms": seen.ack_ms.p50,
        "page_p99_ms": seen.ack_ms.p99,
        "server_busy": outcome.cpu_s / seen.run_s * 100,
        **_cpu_us("page", outcome, seen.acked),
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
        "delivered_percent": seen.delivered / max(1, seen.expected) * 100,
        "delivery_p50_ms": seen.delivery_ms.p50,
        "delivery_p99_ms": seen.delivery_ms.p99,
        "server_busy": outcome.cpu_s / seen.run_s * 100,
        **_cpu_us("delivery", outcome, seen.delivered),
        **_cpu_us("message", outcome, seen.sent or seen.delivered // outcome.load.members),
    }


def _cpu_us(unit: str, outcome: Outcome, count: int) -> Measured:
    """CPU time per message or delivery: of the server, of each supporting process, and in total."""
    each_us = 1e6 / max(1, count)
    others = {f"{name}_us_per_{unit}": used_s * each_us for name, used_s in outcome.others_cpu_s.items()}
    all_s = outcome.cpu_s + sum(outcome.others_cpu_s.values())
    return {f"cpu_us_per_{unit}": outcome.cpu_s * each_us, f"all_us_per_{unit}": all_s * each_us, **others}


_BUSY = Figure("server_busy", "CPU, % of a core")
_DELIVERY = (Figure("delivery_p50_ms", "delivery p50, ms", 2), Figure("delivery_p99_ms", "delivery p99, ms", 2))
_RATE = (Figure("delivered_per_s", "deliveries/s"), Figure("delivered_percent", "delivered, %", 1))

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
PAGES = Group(
    "Pages over HTTP",
    (
        Figure("pages_per_s", "pages/s"),
        Figure("page_p50_ms", "p50, ms", 2),
        Figure("page_p99_ms", "p99, ms", 2),
        Figure("cpu_us_per_page", "CPU, µs/page"),
        _BUSY,
    ),
    _read_pages,
)
SENDS_APART = Group(
    "Sends through one gateway and one history",
    (
        *SENDS.figures[:4],
        Figure("cpu_us_per_message", "gateway, µs/message"),
        Figure("history_us_per_message", "history, µs/message"),
        Figure("redis_us_per_message", "Redis, µs/message"),
        Figure("server_busy", "gateway, % of a core"),
    ),
    _read_sends,
)
CONNECTIONS = Group(
    "Connections",
    (Figure("connects_per_s", "connects/s"), Figure("kib_per_connection", "KiB/idle connection", 1)),
    _read_connections,
)
CROWDS = Group("Crowds of idle connections", CONNECTIONS.figures, _read_connections)
FAN_OUT = Group(
    "Fan-out",
    (*_RATE[:1], *_DELIVERY, Figure("cpu_us_per_delivery", "CPU, µs/delivery", 1), _BUSY),
    _read_fan_out,
)
LARGE_ROOMS = Group(
    "Large rooms",
    (
        *_RATE,
        *_DELIVERY,
        Figure("cpu_us_per_delivery", "server, µs/delivery", 2),
        Figure("history_us_per_message", "history, µs/message"),
        Figure("redis_us_per_message", "Redis, µs/message"),
        _BUSY,
    ),
    _read_fan_out,
)
REPLICAS = Group(
    "Several gateways",
    (
        *_RATE,
        *_DELIVERY,
        Figure("cpu_us_per_delivery", "all gateways, µs/delivery", 2),
        Figure("history_us_per_message", "history, µs/message"),
        Figure("redis_us_per_message", "Redis, µs/message"),
    ),
    _read_fan_out,
)
SMALL_ROOMS = Group(
    "Small rooms",
    (
        *_RATE,
        *_DELIVERY,
        Figure("cpu_us_per_message", "server, µs/message"),
        Figure("history_us_per_message", "history, µs/message"),
        Figure("redis_us_per_message", "Redis, µs/message"),
        Figure("all_us_per_message", "total, µs/message"),
        _BUSY,
    ),
    _read_fan_out,
)
