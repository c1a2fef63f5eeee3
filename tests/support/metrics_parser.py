"""Parses metrics as Prometheus does."""

from collections.abc import Iterator

from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample


def families(scraped: bytes) -> list[Metric]:
    """The metric families of a scrape."""
    return list(text_string_to_metric_families(scraped.decode()))


def samples(scraped: bytes) -> Iterator[Sample]:
    for family in families(scraped):
        yield from family.samples


def figure(scraped: bytes, name: str, **labels: str) -> float:
    """The sum of the series of this name that have these labels; there must be at least one."""
    found = [
        sample.value for sample in samples(scraped) if sample.name == name and labels.items() <= sample.labels.items()
    ]
    assert found, f"no {name} with {labels}"
    return sum(found)
