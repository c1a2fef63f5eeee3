"""Opens everything a service needs of its database: writing connection, reader pool and disk reserve."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import aiosqlite

from chatterbox.chassis.sqlite.database import Schema, make_folder, open_writer
from chatterbox.chassis.sqlite.disk_reserve import DiskReserve
from chatterbox.chassis.sqlite.reader_pool import ReaderPool, open_readers
from chatterbox.chassis.tasks import background


class ServiceDatabase(NamedTuple):
    """An open database file."""

    writer: aiosqlite.Connection
    """In autocommit mode."""
    readers: ReaderPool
    reserve: DiskReserve


@asynccontextmanager
async def open_database(path: Path, schema: Schema, *, readers: int) -> AsyncIterator[ServiceDatabase]:
    """Open the database at `path` and its disk reserve; create or migrate it and its folder as needed.

    Raises as `open_writer`.
    """
    make_folder(path.parent)
    reserve = DiskReserve.beside(path)
    async with (
        open_writer(path, schema, reserve=reserve) as writer,
        open_readers(path, readers) as pool,
        background(reserve.maintain(), f"{path.stem}.disk_reserve"),
    ):
        await reserve.refill()
        yield ServiceDatabase(writer, pool, reserve)
