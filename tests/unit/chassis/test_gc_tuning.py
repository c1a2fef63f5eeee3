"""What is new is looked through a little at a time, however many come and go."""

import gc
from collections.abc import Iterator

import pytest

from chatterbox.chassis.gc_tuning import CHANGES_PER_COLLECTION, THRESHOLDS, GcScheduler
from tests.support.garbage import collections

CROWD = 2_000
OBJECTS = 20
"""That one of them consists of."""


@pytest.fixture(autouse=True)
def _as_in_a_server() -> Iterator[None]:
    before = gc.get_threshold()
    gc.collect()
    gc.set_threshold(*THRESHOLDS)
    yield
    gc.set_threshold(*before)


def test_young_objects_are_collected_before_they_pile_up() -> None:
    """As many objects are freed as are made, so that the interpreter sees no reason to look."""
    sweeper, sizes = GcScheduler(), list[int]()
    gone = [_somebody() for _ in range(CROWD)]
    gc.collect()
    there = []
    for _ in range(CROWD):
        there.append(_somebody())
        gone.pop()
        sizes.append(_young())
        sweeper.count()
    assert max(sizes) < 2 * CHANGES_PER_COLLECTION * OBJECTS
    assert len(there) == CROWD


def test_collections_run_every_n_changes() -> None:
    sweeper = GcScheduler()
    with collections() as seen:
        for _ in range(3 * CHANGES_PER_COLLECTION):
            sweeper.count()
    assert seen == [1, 1, 1]


class _Part:
    """Of somebody; it may be in a cycle, for all that the collector knows."""

    def __init__(self) -> None:
        self.parts: list[_Part] = []


def _somebody() -> list[_Part]:
    return [_Part() for _ in range(OBJECTS // 2)]


def _young() -> int:
    return len(gc.get_objects(0)) + len(gc.get_objects(1))
