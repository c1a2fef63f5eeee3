"""Reads and changes what is stored about users. The writer runs each change inside a transaction."""

from collections.abc import Sequence

import msgspec

from chatterbox.chassis.sqlite.reader_pool import Row, RowSource
from chatterbox.wire.auth_api import UserInfo
from chatterbox.wire.people import Audience, Audiences, Privacy, Writers
from services.history.core.person_record import ChangedPerson, PersonChange, PersonRecord, changed
from services.history.messages.write_transaction import WriteTransaction

_COLUMNS = (
    "writers, display_name, bio, avatar, status, status_until_ms, display_name_for, bio_for, avatar_for, status_for,"
    " presence, typing, receipts, seen_ms, version"
)
_READ = f"SELECT user_id, {_COLUMNS} FROM json_each(?) JOIN people ON user_id = value"  # noqa: S608 - constants
_WRITE = f"""
    INSERT INTO people (user_id, {_COLUMNS}) VALUES (?{", ?" * (_COLUMNS.count(",") + 1)})
    ON CONFLICT (user_id) DO UPDATE SET {", ".join(f"{name} = excluded.{name}" for name in _COLUMNS.split(", "))}
"""  # noqa: S608 - constants
_PRIVACY = """
    SELECT user_id, presence, typing, receipts FROM json_each(?) JOIN people ON user_id = value
    WHERE NOT (presence AND typing AND receipts)
"""
_SEEN = """
    INSERT INTO people (user_id, seen_ms) SELECT value, ?2 FROM json_each(?1) WHERE true
    ON CONFLICT (user_id) DO UPDATE SET seen_ms = ?2 WHERE presence AND seen_ms < ?2
"""


async def read(source: RowSource, user_ids: Sequence[int]) -> dict[int, PersonRecord]:
    """What is stored about users, by id; the defaults for those who never changed anything."""
    found = {row[0]: _record(row[1:]) for row in await source.rows(_READ, (_json(user_ids),))}
    return {user_id: found.get(user_id) or PersonRecord() for user_id in user_ids}


async def privacy(source: RowSource, user_ids: Sequence[int]) -> dict[int, Privacy]:
    """The privacy of those of these users who do not show everything, by id."""
    rows = await source.rows(_PRIVACY, (_json(user_ids),))
    return {user_id: Privacy(*map(bool, shown)) for user_id, *shown in rows}


async def change(transaction: WriteTransaction, user: UserInfo, wanted: PersonChange) -> ChangedPerson:
    """Change what is stored about a user. Gateways are told of what concerns others."""
    before = (await read(transaction, [user.user_id]))[user.user_id]
    result = ChangedPerson(before, changed(before, wanted, transaction.now_ms))
    if result.after != before:
        await transaction.rows(_WRITE, (user.user_id, *_row(result.after)))
    if result.is_told:
        await transaction.record_person(user, result.after.privacy, result.after.version)
    return result


async def mark_seen(transaction: WriteTransaction, user_ids: Sequence[int]) -> None:
    """Store that users are connected now, other than those who do not show it."""
    await transaction.rows(_SEEN, (_json(user_ids), transaction.now_ms))


def _record(row: Row) -> PersonRecord:
    writers, display_name, bio, avatar, status, status_until_ms, *rest, seen_ms, version = row
    return PersonRecord(
        writers=Writers(writers),
        display_name=display_name,
        bio=bio,
        avatar=avatar,
        status=status,
        status_until_ms=status_until_ms,
        audiences=Audiences(**dict(zip(Audiences.__struct_fields__, map(Audience, rest[:4]), strict=True))),
        privacy=Privacy(*map(bool, rest[4:])),
        seen_ms=seen_ms,
        version=version,
    )


def _row(record: PersonRecord) -> Row:
    *own, audiences, shown, seen_ms, version = msgspec.structs.astuple(record)
    return (*own, *msgspec.structs.astuple(audiences), *msgspec.structs.astuple(shown), seen_ms, version)


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
