"""Checks a whole database on request, whether a service is using it or not."""

import asyncio
import contextlib
import os
from pathlib import Path

from chatterbox.chassis.operator_errors import OperatorError
from chatterbox.chassis.sqlite.database import DatabaseInUseError, Schema, connect_reader, lock, schema_version
from chatterbox.chassis.sqlite.integrity import check_content, check_log, check_structure


async def verify(path: Path, schema: Schema) -> None:
    """Check everything that can be checked; raises `DatabaseDamagedError`, or `OperatorError` without a database.

    The write-ahead log is checked only while no service is writing it.
    """
    if not await asyncio.to_thread(path.exists):
        raise OperatorError(f"there is no database {path}; set CHATTERBOX_DATA to the folder that contains it")
    with contextlib.suppress(DatabaseInUseError):
        descriptor = lock(path.with_suffix(".lock"))
        try:
            await check_log(path)
        finally:
            os.close(descriptor)
    connection = await connect_reader(path)
    try:
        await connection.execute("BEGIN")
        await check_structure(connection, path)
        if await schema_version(connection) == len(schema.migrations):
            await check_content(connection, path, schema.violations)
    finally:
        await connection.close()
