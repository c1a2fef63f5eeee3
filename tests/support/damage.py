"""Damages files at random places: a changed bit, a sector or page of zeros, a page of another place, a cut end."""

import asyncio
import contextlib
import re
import shutil
import sqlite3
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any, Generic, NamedTuple, TypeAlias, TypeVar

from hypothesis import strategies as st

from chatterbox.chassis.sqlite.integrity import DatabaseDamagedError

Told = TypeVar("Told")
Tell: TypeAlias = Callable[[Path], Coroutine[Any, Any, Told]]
"""Opens the data in a folder as its service does, and returns everything that it serves."""


class Kind(StrEnum):
    BIT = "a bit has changed"
    SECTOR = "a sector reads as zeros"
    PAGE = "a page reads as zeros"
    OTHER = "a page reads as another page"
    CUT = "the end is cut off"


_PAGE_BYTES = 4096
_ZEROED_BYTES = {Kind.SECTOR: 512, Kind.PAGE: _PAGE_BYTES}


class Damage(NamedTuple):
    """Damage to a file; `seed` chooses the place."""

    kind: Kind
    seed: int

    def done_to(self, whole: bytes) -> bytes:
        chance = Random(self.seed)
        if self.kind is Kind.BIT:
            place, bit = chance.randrange(len(whole)), 1 << chance.randrange(8)
            return whole[:place] + bytes([whole[place] ^ bit]) + whole[place + 1 :]
        if self.kind is Kind.CUT:
            return whole[: chance.randrange(1, len(whole))]
        if self.kind is Kind.OTHER:
            pages = len(whole) // _PAGE_BYTES
            place, source = (chance.randrange(pages) * _PAGE_BYTES for _ in range(2))
            return whole[:place] + whole[source : source + _PAGE_BYTES] + whole[place + _PAGE_BYTES :]
        size = _ZEROED_BYTES[self.kind]
        start = chance.randrange(len(whole) // size) * size
        return whole[:start] + bytes(size) + whole[start + size :]


def damages(*kinds: Kind) -> st.SearchStrategy[Damage]:
    """Any damage of these kinds (default: of every kind)."""
    return st.builds(Damage, st.sampled_from(kinds or tuple(Kind)), st.integers(0, 2**32 - 1))


@contextlib.contextmanager
def damaged_copy(data: Path, name: str, damage: Damage) -> Iterator[Path]:
    """A copy of the folder `data` in which the file `name` is damaged."""
    with TemporaryDirectory() as folder:
        copy = Path(folder) / "data"
        shutil.copytree(data, copy)
        file = copy / name
        file.write_bytes(damage.done_to(file.read_bytes()))
        yield copy


@dataclass(frozen=True, repr=False)
class Stored(Generic[Told]):
    """The data of a stopped and of a killed service, and `whole`: what is served from it."""

    stopped: Path
    killed: Path
    whole: Told


def told_or_refused(tell: Tell[Told], data: Path, name: str, damage: Damage) -> Told | None:
    """What is served from a copy with this damage; None if it is refused as damaged."""
    with damaged_copy(data, name, damage) as copy:
        try:
            return asyncio.run(tell(copy))
        except DatabaseDamagedError:
            return None


def without_indexes(database: Path, change: str) -> None:
    """Change rows without changing the indexes, which are removed from the schema in the meantime."""
    with writable_schema(database) as connection:
        entries = connection.execute("SELECT rowid, * FROM sqlite_schema").fetchall()
        connection.execute("DELETE FROM sqlite_schema WHERE type = 'index'")
        for rowid, *_, sql in entries:
            stripped = re.sub(r",\s*UNIQUE \([^)]*\)| UNIQUE", "", sql or "")
            connection.execute("UPDATE sqlite_schema SET sql = ? WHERE rowid = ?", (stripped, rowid))
    with contextlib.closing(sqlite3.connect(database)) as connection, connection:
        assert connection.execute(change).rowcount
    with writable_schema(database) as connection:
        connection.execute("DELETE FROM sqlite_schema")
        columns = "rowid, type, name, tbl_name, rootpage, sql"
        connection.executemany(f"INSERT INTO sqlite_schema ({columns}) VALUES (?, ?, ?, ?, ?, ?)", entries)


@contextlib.contextmanager
def writable_schema(database: Path) -> Iterator[sqlite3.Connection]:
    with contextlib.closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("PRAGMA writable_schema=ON")
        yield connection
