"""Looking over the shoulder of the garbage collector."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def collections() -> Iterator[list[int]]:
    """The generation of each collection while the block runs; only what is asked for by name is one."""
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
