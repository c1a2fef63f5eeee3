"""Garbage collection in small steps, because the event loop stands still while it runs."""

import gc

CHANGES_PER_COLLECTION = 32
"""Connects and disconnects per `gc.collect(1)`, which then takes about half a millisecond."""

THRESHOLDS = (1_000, 5, 10_000)
"""For `gc.set_threshold`: young objects often, the oldest generation hardly ever."""


def freeze_startup_objects() -> None:
    """Exclude everything allocated so far from collection, and collect old objects rarely.

    Connections leave no cycles behind (see `tests/integration/gateway/live_socket`). While thousands of clients
    connected, full collections took a fifth of the time, in pauses of a quarter of a second.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)


class GcScheduler:
    """Runs `gc.collect(1)` every `CHANGES_PER_COLLECTION` connects and disconnects.

    By itself the interpreter collects when 1,000 more objects were allocated than freed, but it does not count
    allocations from a free list, only their deallocation. While thousands of clients connect, its count hardly rises;
    when it finally collects, it traverses tens of thousands of objects at once, for 40 to 120 ms.
    """

    def __init__(self) -> None:
        self._remaining = CHANGES_PER_COLLECTION

    def count(self) -> None:
        """Count a connect or a disconnect."""
        self._remaining -= 1
        if not self._remaining:
            self._remaining = CHANGES_PER_COLLECTION
            gc.collect(1)
