"""Metrics: a registry per service, and label values that clients can't extend."""

from enum import StrEnum

import pytest

from chatterbox.chassis.observability.metrics import UNKNOWN_ROUTE, Metrics
from tests.support.metrics_parser import families, figure, samples


class Fruit(StrEnum):
    APPLE = "apple"
    PEAR = "pear"


class Stone(StrEnum):
    FLINT = "flint"


def test_services_in_one_process_have_separate_metrics() -> None:
    one, other = Metrics("one"), Metrics("other")
    one.counter("things", "Things").inc()
    assert figure(one.scrape(), "chatterbox_one_things_total") == 1
    assert "things" not in other.scrape().decode()


def test_two_instances_of_a_service_count_separately() -> None:
    one, again = Metrics("one"), Metrics("one")
    one.counter("things", "Things").inc()
    again.counter("things", "Things")
    assert [figure(metrics.scrape(), "chatterbox_one_things_total") for metrics in (one, again)] == [1, 0]


class TestCounterByEnum:
    def test_every_series_exists_from_the_start(self) -> None:
        metrics = Metrics("one")
        metrics.counter_by("fruit", "Fruit", "kind", Fruit).inc(Fruit.PEAR, 2)
        scraped = metrics.scrape()
        assert figure(scraped, "chatterbox_one_fruit_total", kind="apple") == 0
        assert figure(scraped, "chatterbox_one_fruit_total", kind="pear") == 2

    def test_a_member_of_another_enum_raises_key_error(self) -> None:
        counter = Metrics("one").counter_by("fruit", "Fruit", "kind", Fruit)
        with pytest.raises(KeyError):
            counter.inc(Stone.FLINT)


class TestRequests:
    def test_requests_are_counted_by_route_method_and_status_class(self) -> None:
        metrics = Metrics("one")
        metrics.observe_request("/rooms/{room}", "GET", 404, 0.002)
        labels = {"route": "/rooms/{room}", "method": "GET", "status": "4xx"}
        assert figure(metrics.scrape(), "chatterbox_one_http_requests_total", **labels) == 1
        assert figure(metrics.scrape(), "chatterbox_one_http_request_seconds_bucket", le="0.0025") == 1

    def test_unknown_methods_create_no_new_series(self) -> None:
        metrics = Metrics("one")
        for number in range(100):
            metrics.observe_request(UNKNOWN_ROUTE, f"METHOD{number}", 405, 0.1)
        counted = [sample for sample in samples(metrics.scrape()) if sample.name.endswith("http_requests_total")]
        assert [(sample.labels["method"], sample.value) for sample in counted] == [("other", 100)]


def test_a_counter_has_no_created_series() -> None:
    metrics = Metrics("one")
    metrics.counter("things", "Things")
    assert not [family.name for family in families(metrics.scrape()) if family.name.endswith("_created")]


def test_a_gauge_is_computed_at_scrape_time() -> None:
    metrics = Metrics("one")
    waiting: list[int] = []
    metrics.gauge("waiting", "Waiting").set_function(lambda: len(waiting))
    waiting.append(1)
    assert figure(metrics.scrape(), "chatterbox_one_waiting") == 1
