"""A database of a service: reads from the last commit, and transactions one after another."""

import logging
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import TypeVar

from chatterbox.chassis.sqlite.disk_reserve import DiskReserve
from chatterbox.chassis.sqlite.reader_pool import Parameters, Row
from chatterbox.chassis.sqlite.service_database import ServiceDatabase
from chatterbox.chassis.sqlite.storage_incident import StorageIncident
from chatterbox.chassis.sqlite.write_connection import Transaction, WriteConnection

T = TypeVar("T")

RETRY_AFTER_S = 5.0
"""When to retry what a failing disk refused (seconds)."""


class TransactionalDatabase:
    """Reads and transactions; raises `unavailable` when the disk fails, and logs that once."""

    def __init__(self, opened: ServiceDatabase, log: logging.Logger) -> None:
        self.reserve: DiskReserve = opened.reserve
        self._incident = StorageIncident(
            log, failed="database.failed", recovered="database.recovered", retry_after_s=RETRY_AFTER_S
        )
        self._readers = opened.readers
        self._damage = opened.damage
        self._writes = WriteConnection(opened.writer, self._incident, opened.reserve)

    @property
    def is_damaged(self) -> bool:
        """Whether a read found the file damaged since the start, when all of it is checked."""
        return self._damage.why is not None

    async def rows(self, sql: str, parameters: Parameters = ()) -> list[Row]:
        """All rows of one query over what is committed."""
        with self._incident.reported():
            return await self._readers.rows(sql, parameters)

    def transaction(self) -> AbstractAsyncContextManager[Transaction]:
        """As `WriteConnection.transaction`: refused while the disk is nearly full."""
        return self._writes.transaction()

    async def urgent(self, change: Callable[[Transaction], Awaitable[T]]) -> T:
        """As `WriteConnection.urgent`: for what must also work on a full disk, such as ending a session."""
        return await self._writes.urgent(change)
