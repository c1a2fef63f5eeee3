"""Young objects are collected in small steps while many clients connect and disconnect."""

import gc
from collections.abc import Iterator

import pytest

from chatterbox.chassis.gc_tuning import CHANGES_PER_COLLECTION, THRESHOLDS, GcScheduler
from tests.support.gc_recorder import collections

CLIENTS = 2_000
OBJECTS = 20
"""Objects per client."""


@pytest.fixture(autouse=True)
def _as_in_a_server() -> Iterator[None]:
    before = gc.get_threshold()
    gc.collect()
    gc.set_threshold(*THRESHOLDS)
    yield
    gc.set_threshold(*before)


def test_young_objects_are_collected_before_they_pile_up() -> None:
    """As many objects are freed as allocated, so that the interpreter itself does not collect."""
    scheduler, sizes = GcScheduler(), list[int]()
    disconnected = [_client() for _ in range(CLIENTS)]
    gc.collect()
    connected = []
    for _ in range(CLIENTS):
        connected.append(_client())
        disconnected.pop()
        sizes.append(_young())
        scheduler.count()
    assert max(sizes) < 2 * CHANGES_PER_COLLECTION * OBJECTS
    assert len(connected) == CLIENTS


def test_collections_run_every_n_changes() -> None:
    scheduler = GcScheduler()
    with collections() as generations:
        for _ in range(3 * CHANGES_PER_COLLECTION):
            scheduler.count()
    assert generations == [1, 1, 1]


class _Part:
    """Part of a client; the collector must consider that it could be in a cycle."""

    def __init__(self) -> None:
        self.parts: list[_Part] = []


def _client() -> list[_Part]:
    return [_Part() for _ in range(OBJECTS // 2)]


def _young() -> int:
    return len(gc.get_objects(0)) + len(gc.get_objects(1))
