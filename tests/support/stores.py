"""Stores of history, opened without the service around them."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import TypeAlias

from chatterbox.chassis.sqlite.service_database import open_database
from chatterbox.wire.limits import Limits
from services.history.core.recent_senders import RecentSenders
from services.history.history_store import HistoryStore
from services.history.messages.commit_publisher import CommittedChanges
from services.history.messages.writer import Writer
from services.history.schema import SCHEMA
from services.history.sqlite_store import SqliteStore


@asynccontextmanager
async def sqlite_store(
    folder: Path, limits: Limits, now_ms: Callable[[], int], publish: Callable[[CommittedChanges], None]
) -> AsyncIterator[HistoryStore]:
    """The SQLite store on a folder; `publish` gets what each transaction committed."""
    senders = RecentSenders()

    def follow(committed: CommittedChanges) -> None:
        committed.tell_senders(senders)
        publish(committed)

    async with open_database(folder / "history.sqlite", SCHEMA, readers=2) as database:
        writer = Writer(database.writer, limits=limits, now_ms=now_ms, publish=follow, damage=database.damage)
        async with writer.running():
            yield SqliteStore(database, writer, limits, senders=senders)


OpenStore: TypeAlias = Callable[
    [Path, Limits, Callable[[], int], Callable[[CommittedChanges], None]], AbstractAsyncContextManager[HistoryStore]
]
STORES: dict[str, OpenStore] = {"sqlite": sqlite_store}
"""Every implementation of `HistoryStore`."""
