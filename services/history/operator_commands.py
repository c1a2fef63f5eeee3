"""The operator's commands on rooms: list them, delete one, whether the service runs or not."""

import logging
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import msgspec

from chatterbox.chassis import operator_socket
from chatterbox.chassis.operator_errors import OperatorError
from chatterbox.chassis.sqlite.database import DatabaseInUseError
from chatterbox.chassis.sqlite.service_database import open_database
from chatterbox.wire import direct_names, text_rules
from chatterbox.wire.errors import ChatError
from chatterbox.wire.history_api import RoomInfo
from chatterbox.wire.limits import Limits
from chatterbox.wire.untrusted_json import UnreadableError, decode_json
from services.history.messages.writer import Writer
from services.history.rooms import moderation, room_deletion
from services.history.schema import MIGRATIONS, SCHEMA
from services.history.settings import HistorySettings

log = logging.getLogger("chatterbox.history.operator_commands")

_ROOMS = """
    SELECT name, everyone, private,
        (SELECT username FROM memberships WHERE user_id = rooms.created_by LIMIT 1), members, head, last_ms
    FROM rooms WHERE deleted_ms IS NULL ORDER BY name
"""
HEADINGS = ("ROOM", "KIND", "CREATOR", "MEMBERS", "MESSAGES", "LAST MESSAGE")


class RoomDeletionRequest(msgspec.Struct, frozen=True):
    """A line to the running service."""

    room: str


class Outcome(msgspec.Struct, frozen=True):
    """The answer: the deleted room, or why it was not deleted."""

    deleted: RoomInfo | None = None
    problem: str = ""


def socket_path(settings: HistorySettings) -> Path:
    return settings.data / "history.sock"


def answering(delete: Callable[[str], Awaitable[RoomInfo]]) -> Callable[[bytes], Awaitable[bytes]]:
    """What the running service answers; `delete` deletes the room of a name."""

    async def answer(line: bytes) -> bytes:
        try:
            outcome = Outcome(await delete(decode_json(line, RoomDeletionRequest).room))
        except (ChatError, UnreadableError) as problem:
            outcome = Outcome(problem=problem.detail if isinstance(problem, ChatError) else str(problem))
        except Exception:
            log.exception("operator_command.failed")
            outcome = Outcome(problem="Internal error; see the log of history.")
        return msgspec.json.encode(outcome)

    return answer


async def delete_room(settings: HistorySettings, room: str, limits: Limits, now_ms: Callable[[], int]) -> RoomInfo:
    """Delete a room: by the running service, which owns the database, or here if none runs. Raises `OperatorError`."""
    path = socket_path(settings)
    try:
        line = await operator_socket.ask(path, msgspec.json.encode(RoomDeletionRequest(room)))
        outcome = decode_json(line, Outcome)
    except operator_socket.NotRunningError:
        return await _delete_here(settings, room, limits, now_ms)
    except (OSError, TimeoutError, UnreadableError) as problem:
        raise OperatorError(f"history does not answer at {path}: {problem or 'timeout'}") from None
    if outcome.deleted is None:
        raise OperatorError(outcome.problem)
    return outcome.deleted


async def _delete_here(settings: HistorySettings, room: str, limits: Limits, now_ms: Callable[[], int]) -> RoomInfo:
    if not settings.database.exists():
        raise OperatorError(f"there is no {settings.database}; set CHATTERBOX_DATA to the data folder")
    try:
        async with open_database(settings.database, SCHEMA, readers=1) as database:
            writer = Writer(
                database.writer, damage=database.damage, limits=limits, now_ms=now_ms, publish=lambda _: None
            )
            async with writer.running():
                info = await writer.change(lambda transaction: moderation.delete_any(transaction, room, limits))
                while await writer.change(room_deletion.delete_messages):
                    pass
                return info
    except ChatError as problem:
        raise OperatorError(problem.detail) from None
    except DatabaseInUseError:
        raise OperatorError(f"history is running, but can't be reached at {socket_path(settings)}; stop it") from None


def room_table(settings: HistorySettings) -> list[str]:
    """A line for every room, under headings; also while the service runs. Raises `OperatorError`."""
    if not settings.database.exists():
        raise OperatorError(f"there is no {settings.database}; set CHATTERBOX_DATA to the data folder")
    try:
        with closing(sqlite3.connect(f"file:{quote(str(settings.database))}?mode=ro", uri=True)) as db:
            [(version,)] = db.execute("PRAGMA user_version")
            if version != len(MIGRATIONS):
                raise OperatorError(
                    f"{settings.database} has schema version {version}, not {len(MIGRATIONS)}: "
                    "start this version of history once"
                )
            rows = [_cells(*row) for row in db.execute(_ROOMS)]
    except sqlite3.Error as problem:
        raise OperatorError(f"can't read {settings.database}: {problem}") from None
    widths = [max(map(len, column)) for column in zip(HEADINGS, *rows, strict=True)]
    return [
        "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in (HEADINGS, *rows)
    ]


def _cells(
    name: str, everyone: int, private: int, creator: str | None, members: int, messages: int, last_ms: int
) -> tuple[str, ...]:
    kind = "direct" if direct_names.people(name) else "everyone" if everyone else "private" if private else "public"
    last = text_rules.timestamp(last_ms)[:16].replace("T", " ") if last_ms else "-"
    return name, kind, creator or "-", str(members), str(messages), last
