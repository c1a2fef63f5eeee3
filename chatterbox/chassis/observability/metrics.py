"""Prometheus metrics of one service, in a registry of its own since several services may share a process.

Names are `chatterbox_<service>_<thing>_<unit>`; a counter's ends with `_total`. Label values come from enums, so that
clients can't create new time series. Gauges are computed at scrape time and cost nothing otherwise.
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
"""Buckets for operations that wait for a disk or another process (seconds); the last is the timeout of a call."""
TURN_S = (0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25)
"""Buckets for work that blocks the event loop (seconds)."""
MESSAGES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
"""Buckets for the number of messages in a batch."""


class Counter:
    """A counter labelled by an enum; every series exists from the start, at zero."""

    def __init__(self, counter: _Counter, label: type[Enum]) -> None:
        self._children = {member: counter.labels(_label_value(member)) for member in label}

    def inc(self, member: Enum, amount: float = 1) -> None:
        """Increment the series of `member`; raises `KeyError` if it is not of the declared enum."""
        self._children[member].inc(amount)


class ScrapedCounter(Collector):
    """A counter whose value is read by a function at scrape time."""

    def __init__(self, name: str, help_text: str) -> None:
        self._name = name
        self._help = help_text
        self._read: Callable[[], float] = lambda: 0

    def set_function(self, read: Callable[[], float]) -> None:
        """Set the function that returns the value, which must never decrease."""
        self._read = read

    def collect(self) -> Iterator[Metric]:
        yield CounterMetricFamily(self._name, self._help, self._read())


def _label_value(member: Enum) -> str:
    return str(member.value) if isinstance(member, StrEnum) else member.name.lower()


class Method(StrEnum):
    """Label values for HTTP methods."""

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
    """Label values for classes of HTTP status codes."""

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
"""The label value for requests that match no route."""


class Metrics:
    """Declares and exposes one service's metrics; which ones is up to the service's `metrics` module."""

    def __init__(self, service: str) -> None:
        """`service` becomes part of every name: `auth`, `gateway`, `history`."""
        disable_created_metrics()  # type: ignore[no-untyped-call] # they would double the number of series
        self.service = service
        self.registry = CollectorRegistry()
        self._requests = _Counter(
            self._name("http_requests"),
            "HTTP requests by route template, method and status class",
            ("route", "method", "status"),
            registry=self.registry,
        )
        self._request_s = _Histogram(
            self._name("http_request_seconds"),
            "Time from the request headers to the end of the response",
            ("route",),
            buckets=CALL_S,
            registry=self.registry,
        )
        ProcessCollector(f"chatterbox_{service}", registry=self.registry)  # CPU, memory, open files; on Linux
        build = Gauge(
            self._name("build_info"), "Version of Chatterbox and Python", ("version", "python"), registry=self.registry
        )
        build.labels(__version__, platform.python_version()).set(1)

    def counter(self, name: str, help_text: str) -> _Counter:
        """Declare a counter; `_total` is appended to the name."""
        return _Counter(self._name(name), help_text, registry=self.registry)

    def counter_by(self, name: str, help_text: str, label: str, members: type[Enum]) -> Counter:
        """Declare a counter labelled by an enum."""
        return Counter(_Counter(self._name(name), help_text, (label,), registry=self.registry), members)

    def counter_callback(self, name: str, help_text: str) -> ScrapedCounter:
        """Declare a counter that is counted elsewhere; the owner of the count calls `set_function`."""
        counter = ScrapedCounter(self._name(name), help_text)
        self.registry.register(counter)
        return counter

    def histogram(self, name: str, help_text: str, buckets: Sequence[float]) -> _Histogram:
        """Declare a histogram."""
        return _Histogram(self._name(name), help_text, buckets=buckets, registry=self.registry)

    def gauge(self, name: str, help_text: str) -> Gauge:
        """Declare a gauge; the owner of the value calls `set_function`."""
        return Gauge(self._name(name), help_text, registry=self.registry)

    def gauge_by(self, name: str, help_text: str, label: str, members: type[Enum]) -> dict[Enum, Gauge]:
        """Declare a gauge labelled by an enum."""
        gauge = Gauge(self._name(name), help_text, (label,), registry=self.registry)
        return {member: gauge.labels(_label_value(member)) for member in members}

    def observe_request(self, route: str, method: str, status: int, seconds: float) -> None:
        """Record an HTTP request; `route` is a route template of the app, never the path as sent."""
        self._requests.labels(route, Method(method).value, StatusClass.of(status).value).inc()
        self._request_s.labels(route).observe(seconds)

    def scrape(self) -> bytes:
        """All metrics in the Prometheus text format, version 0.0.4."""
        return generate_latest(self.registry)

    def _name(self, name: str) -> str:
        return f"chatterbox_{self.service}_{name}"


def metrics_endpoint(metrics: Metrics) -> Callable[[], Awaitable[Response]]:
    """The endpoint of `GET /metrics`, which a deployment's reverse proxy must not expose."""

    async def endpoint() -> Response:
        return Response(metrics.scrape(), media_type=CONTENT_TYPE_PLAIN_0_0_4)

    return endpoint
