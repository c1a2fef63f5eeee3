"""`python -m tests.support.living_words FILE MODULE [ARGUMENT ...]`: run a module that tells which words it has.

On SIGUSR2 the process writes to FILE the traceable words in all texts and bytes that its living objects refer to.
Memory that is free, but not overwritten yet, is not among them; all of a process's memory is searched from outside.
"""

import gc
import runpy
import signal
import sys
from collections.abc import Iterable
from pathlib import Path

from tests.support.traceable_words import words_in

FEWEST_BYTES = 12
"""Shorter texts have no traceable word."""


def main() -> None:
    _, file, module, *arguments = sys.argv
    signal.signal(signal.SIGUSR2, lambda *_: write(Path(file)))
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def write(file: Path) -> None:
    """Write the words, one a line; the file gets its name when it is complete."""
    partial = file.with_name(f"{file.name}.partial")
    partial.write_text("\n".join(sorted(living_words())))
    partial.replace(file)


def living_words() -> set[str]:
    """The traceable words in texts and bytes that any object of this process refers to."""
    gc.unfreeze()  # or what was there at the start would be passed over
    found: set[str] = set()
    seen: set[int] = set()
    several: list[object] = gc.get_objects()
    seen.add(id(several))
    while several:
        following: list[object] = []
        for each in _new(several, seen):
            if isinstance(each, str | bytes | bytearray | memoryview):
                found.update(_words(each))
            else:
                following += gc.get_referents(each)
        several = following
    return found


def _new(objects: Iterable[object], seen: set[int]) -> Iterable[object]:
    for each in objects:
        if id(each) not in seen:
            seen.add(id(each))
            yield each


def _words(text: str | bytes | bytearray | memoryview) -> Iterable[str]:
    if len(text) < FEWEST_BYTES:
        return ()
    return words_in(text.encode(errors="replace") if isinstance(text, str) else bytes(text))


if __name__ == "__main__":
    main()
