"""Metrics of one service, in a registry of its own: several services may live in one process.

Names are `chatterbox_<service>_<thing>_<unit>`; a counter's ends with `_total`. Labels come from enums, so that what
strangers send can never make a new series. Gauges are read when they are scraped and cost nothing before.
"""

import platform
from collections.abc import Awaitable, Callable, Iterator, Sequence
from enum import Enum, StrEnum

from prometheus_client import CollectorRegistry, Gauge, ProcessCollector, disable_created_metrics, generate_latest
from prometheus_client import Counter as _Counter
from prometheus_client import Histogram as _Histogram
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector
from starlette.responses import Response

from chatterbox import __version__

CALL_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
"""Buckets for what waits for a disk or another process (seconds); the last is the deadline of a call."""
TURN_S = (0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25)
"""Buckets for what holds up the event loop (seconds)."""
MESSAGES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
"""Buckets for messages in a batch."""


class Counter:
    """Counts something for each member of an enum; every series is there from the start, at zero."""

    def __init__(self, counter: _Counter, label: type[Enum]) -> None:
        self._children = {member: counter.labels(_shown(member)) for member in label}

    def inc(self, member: Enum, amount: float = 1) -> None:
        """Count for a member of the enum that was declared; anything else raises `KeyError`."""
        self._children[member].inc(amount)


class ScrapedCounter(Collector):
    """A counter that somebody else keeps: looked at when it is scraped."""

    def __init__(self, name: str, help_text: str) -> None:
        self._name = name
        self._help = help_text
        self._read: Callable[[], float] = lambda: 0

    def set_function(self, read: Callable[[], float]) -> None:
        """`read` must never go down."""
        self._read = read

    def collect(self) -> Iterator[Metric]:
        yield CounterMetricFamily(self._name, self._help, self._read())


def _shown(member: Enum) -> str:
    return str(member.value) if isinstance(member, StrEnum) else member.name.lower()


class Method(StrEnum):
    """HTTP methods as they are counted."""

    GET = "GET"
    HEAD = "HEAD"
    POST = "POST"
    PUT = "PUT"
    PATCH = "PATCH"
    DELETE = "DELETE"
    OPTIONS = "OPTIONS"
    OTHER = "other"

    @classmethod
    def _missing_(cls, _: object) -> "Method":
        return cls.OTHER


class StatusClass(StrEnum):
    """Classes of HTTP status codes."""

    INFORMATION = "1xx"
    SUCCESS = "2xx"
    REDIRECTION = "3xx"
    CLIENT_ERROR = "4xx"
    SERVER_ERROR = "5xx"

    @classmethod
    def of(cls, code: int) -> "StatusClass":
        """The class of a status code.

        >>> StatusClass.of(404).value
        '4xx'
        """
        return cls(f"{code // 100}xx")


UNKNOWN_ROUTE = "unknown"
"""Stands for every address that a service does not have."""


class Metrics:
    """Declares one service's metrics; the service's own module says which there are."""

    def __init__(self, service: str) -> None:
        """`service` stands in every name: `auth`, `gateway`, `history`."""
        disable_created_metrics()  # type: ignore[no-untyped-call] # a second series for each counter, for no use
        self.service = service
        self.registry = CollectorRegistry()
        self._requests = _Counter(
            self._name("http_requests"),
            "Requests answered, by the template of their address",
            ("route", "method", "status"),
            registry=self.registry,
        )
        self._request_s = _Histogram(
            self._name("http_request_seconds"),
            "Time from a request's head to the end of its answer",
            ("route",),
            buckets=CALL_S,
            registry=self.registry,
        )
        ProcessCollector(f"chatterbox_{service}", registry=self.registry)  # CPU, memory, open files; on Linux
        build = Gauge(self._name("build_info"), "What runs", ("version", "python"), registry=self.registry)
        build.labels(__version__, platform.python_version()).set(1)

    def counter(self, name: str, help_text: str) -> _Counter:
        """How often something happened; `_total` is added to the name."""
        return _Counter(self._name(name), help_text, registry=self.registry)

    def counter_by(self, name: str, help_text: str, label: str, members: type[Enum]) -> Counter:
        """The same, for each member of an enum."""
        return Counter(_Counter(self._name(name), help_text, (label,), registry=self.registry), members)

    def counter_read(self, name: str, help_text: str) -> ScrapedCounter:
        """The same, counted elsewhere; whoever has the count calls `set_function`."""
        reading = ScrapedCounter(self._name(name), help_text)
        self.registry.register(reading)
        return reading

    def histogram(self, name: str, help_text: str, buckets: Sequence[float]) -> _Histogram:
        """How something is distributed over `buckets`."""
        return _Histogram(self._name(name), help_text, buckets=buckets, registry=self.registry)

    def gauge(self, name: str, help_text: str) -> Gauge:
        """How much there is of something; whoever has it calls `set_function`."""
        return Gauge(self._name(name), help_text, registry=self.registry)

    def gauge_by(self, name: str, help_text: str, label: str, members: type[Enum]) -> dict[Enum, Gauge]:
        """The same, for each member of an enum."""
        gauge = Gauge(self._name(name), help_text, (label,), registry=self.registry)
        return {member: gauge.labels(_shown(member)) for member in members}

    def answered(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count an HTTP request; `route` is a template of the app's own, never an address as it was sent."""
        self._requests.labels(route, Method(method).value, StatusClass.of(status).value).inc()
        self._request_s.labels(route).observe(seconds)

    def scrape(self) -> bytes:
        """All figures in Prometheus' text format, version 0.0.4."""
        return generate_latest(self.registry)

    def _name(self, name: str) -> str:
        return f"chatterbox_{self.service}_{name}"


def scraped(metrics: Metrics) -> Callable[[], Awaitable[Response]]:
    """What answers `GET /metrics`; the edge of a deployment keeps it from the public."""

    async def figures() -> Response:
        return Response(metrics.scrape(), media_type=CONTENT_TYPE_PLAIN_0_0_4)

    return figures
