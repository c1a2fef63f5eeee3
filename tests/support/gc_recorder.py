"""Records the runs of the garbage collector."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def collections() -> Iterator[list[int]]:
    """The generation of each explicit collection while the block runs; automatic ones are disabled."""
    seen: list[int] = []

    def look(phase: str, about: dict[str, int]) -> None:
        if phase == "stop":
            seen.append(about["generation"])

    gc.disable()
    gc.callbacks.append(look)
    try:
        yield seen
    finally:
        gc.callbacks.remove(look)
        gc.enable()
