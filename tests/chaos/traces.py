"""Searches files and the memory of processes for traceable words."""

import contextlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from tests.support.traceable_words import words_in

_MAP = re.compile(r"([0-9a-f]+)-([0-9a-f]+) r.*?(?: (\[v\w+\]))?\n")
"""A readable range of addresses; those of the kernel have a name such as `[vvar]`."""

LACK = "the memory of processes can't be searched for erased texts: /proc/PID/mem is not readable"


class Traces(NamedTuple):
    """The words found in each file, and in each process."""

    files: Mapping[str, set[str]]
    objects: Mapping[str, set[str]]
    """Those in texts and bytes that objects refer to."""
    memory: Mapping[str, set[str]]
    """Those in all of the memory, that which is free included."""


def in_files(folder: Path, *, without: tuple[str, ...]) -> dict[str, set[str]]:
    """The words in each file below `folder`, by path; `without` has beginnings of names to pass over."""
    files = [path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(without)]
    return {str(path.relative_to(folder)): set(words_in(path.read_bytes())) for path in files}


def is_memory_readable(pid: int) -> bool:
    """Whether this process may read the memory of another one."""
    try:
        with Path(f"/proc/{pid}/mem").open("rb"):
            return True
    except OSError:
        return False


def in_memory(pid: int) -> set[str]:
    """The words in the memory of a process; raises `OSError` if it can't be read."""
    found: set[str] = set()
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for first, last in _readable(pid):
            with contextlib.suppress(OSError):  # the range was given back meanwhile
                memory.seek(first)
                found.update(words_in(memory.read(last - first)))
    return found


def _readable(pid: int) -> Iterator[tuple[int, int]]:
    with Path(f"/proc/{pid}/maps").open() as maps:
        for line in maps:
            if (found := _MAP.fullmatch(line)) is not None and found[3] is None:
                yield int(found[1], 16), int(found[2], 16)
