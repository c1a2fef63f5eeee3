"""Opens everything a service needs of its database: writing connection, reader pool and disk reserve."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import aiosqlite

from chatterbox.chassis.sqlite.background_check import BackgroundCheck
from chatterbox.chassis.sqlite.damage import DamageRecord
from chatterbox.chassis.sqlite.database import Schema, make_folder, open_writer
from chatterbox.chassis.sqlite.disk_reserve import DiskReserve
from chatterbox.chassis.sqlite.reader_pool import ReaderPool, open_readers
from chatterbox.chassis.tasks import background

SMALL_BYTES = 32 * 2**20
"""Up to this size the whole database is checked before it is served: at most 0.2 s."""


class ServiceDatabase(NamedTuple):
    """An open database file."""

    writer: aiosqlite.Connection
    """In autocommit mode."""
    readers: ReaderPool
    reserve: DiskReserve
    damage: DamageRecord
    background_check: BackgroundCheck


@asynccontextmanager
async def open_database(path: Path, schema: Schema, *, readers: int) -> AsyncIterator[ServiceDatabase]:
    """Open the database at `path` and its disk reserve; create or migrate it and its folder as needed.

    The large tables of a file above `SMALL_BYTES` are checked in the background, unless damage was found before. Raises
    as `open_writer`.
    """
    make_folder(path.parent)
    reserve = DiskReserve.beside(path)
    damage = DamageRecord(path)
    check_all = damage.is_marked or not schema.large or _size(path) <= SMALL_BYTES
    async with (
        BackgroundCheck(path, schema, damage).running() as background_check,
        open_writer(path, schema, reserve=reserve, check_large=check_all) as writer,
        open_readers(path, readers, damage.found) as pool,
        background(reserve.maintain(), f"{path.stem}.disk_reserve"),
    ):
        if check_all:
            background_check.skip()
            damage.clear()
        else:
            await background_check.start()
        await reserve.refill()
        yield ServiceDatabase(writer, pool, reserve, damage, background_check)


def _size(path: Path) -> int:
    """The size of the database and its write-ahead log (bytes)."""
    files = (path, path.with_name(f"{path.name}-wal"))
    return sum(file.stat().st_size for file in files if file.exists())
