"""What happens inside the writer's transaction: storing a planned batch, and counting changes of rooms."""

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial

import aiosqlite
import msgspec

from chatterbox.chassis.sqlite.reader_pool import Parameters, Row
from chatterbox.wire.auth_api import UserInfo
from chatterbox.wire.broker_events import (
    EncryptionSignal,
    InvitationChanged,
    MembershipChanged,
    PersonChanged,
    RoomDeleted,
    RoomEvent,
    TopicChanged,
)
from chatterbox.wire.encryption.policy import DEFAULT_POLICY, EncryptionPolicy
from chatterbox.wire.history_api import AnyMessageChange, Append, RoomInfo
from chatterbox.wire.limits import Limits
from chatterbox.wire.people import Privacy
from services.history.attachments import bound_files
from services.history.core.append_plan import AppendPlan, MessageContext, plan
from services.history.core.outcomes import Mentions, Spend, no_mentions
from services.history.core.unbound_files import NO_FILES, FileBinder
from services.history.encryption import session_facts
from services.history.encryption.core.recipient_check import NONE_ENCRYPTED, RecipientCheck
from services.history.messages import change_store
from services.history.reads import mention_rows
from services.history.reads.mention_rows import MemberIds
from services.history.rooms import direct_writers

_CONTEXT_OF = """
    {first}
    SELECT rooms.name, rooms.epoch, rooms.head, rooms.last_ms, 1 + memberships.direct,
        messages.id, messages.offset, messages.timestamp,
        CASE WHEN messages.edited_ms IS NULL AND messages.deleted_ms IS NULL THEN messages.content END,
        rooms.rev, messages.thread, messages.extra
    FROM {requested}
    LEFT JOIN rooms ON rooms.id = requested.room_id AND rooms.deleted_ms IS NULL
    LEFT JOIN memberships ON memberships.room_id = requested.room_id AND memberships.user_id = requested.user_id
    LEFT JOIN messages ON messages.user_id = requested.user_id AND messages.room_id = requested.room_id
        AND messages.key = requested.message_key
    {last}
"""
_CONTEXT = _CONTEXT_OF.format(
    first="", requested="(SELECT ? AS room_id, ? AS user_id, ? AS message_key) AS requested", last=""
)
"""For a single message, which is the most common batch: 5 us less than `_CONTEXTS`."""
_CONTEXTS = _CONTEXT_OF.format(
    first="""
        WITH requested AS MATERIALIZED (
            SELECT key AS position, json_extract(value, '$[0]') AS room_id, json_extract(value, '$[1]') AS user_id,
                json_extract(value, '$[2]') AS message_key
            FROM json_each(?)
        )
    """,
    requested="requested",
    last="ORDER BY requested.position",
)
_INSERT = (
    "INSERT INTO messages (id, room_id, offset, user_id, username, content, timestamp, key)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)
_RELATE = "UPDATE messages SET reply_to = ?, thread = ?, extra = ? WHERE id = ?"
"""Only for messages that need it: binding NULL for every message would cost 2 us for each."""
_SET_TAIL = "UPDATE rooms SET head = ?, last_ms = ? WHERE id = ?"
_LAST_ID = "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'messages'"
_REVISE = "UPDATE meta SET value = value + 1 WHERE name = 'membership_revision' RETURNING value"


@dataclass(slots=True)
class WriteTransaction:
    """The writing connection between BEGIN and COMMIT. What it reads can't change before the COMMIT."""

    db: aiosqlite.Connection
    now_ms: int
    events: list[RoomEvent] = field(default_factory=list)
    """To be published after the commit."""
    erased_files: list[int] = field(default_factory=list)
    """The ids of rows of files that were deleted."""
    readers: set[int] = field(default_factory=set)
    """Users whose read states change, by id."""
    signals: list[EncryptionSignal] = field(default_factory=list)
    """To be told after the commit, after `events`; a loss is healed."""

    async def rows(self, sql: str, parameters: Parameters = ()) -> list[Row]:
        return [tuple(row) for row in await self.db.execute_fetchall(sql, parameters)]

    async def record_membership(self, room: RoomInfo, user: UserInfo, *, member: bool, by: str) -> None:
        """Number a membership change and publish it after the commit."""
        self.events.append(
            MembershipChanged(
                revision=await self._next_revision(),
                room_id=room.room_id,
                room=room.room,
                private=room.private,
                user_id=user.user_id,
                username=user.username,
                member=member,
                by=by,
                read=room.head if member else 0,
                encrypted=room.encrypted,
                uid=room.uid,
            )
        )

    async def record_topic(self, room: RoomInfo, topic: str, *, by: str) -> None:
        """Number a topic change, in the sequence of membership changes, and publish it after the commit."""
        revision = await self._next_revision()
        self.events.append(TopicChanged(revision=revision, room_id=room.room_id, topic=topic, by=by))

    async def record_invitation(self, room_id: int, room: str, user_id: int, by: str, *, pending: bool) -> None:
        """Number an invitation, or its end, in the sequence of membership changes, and publish it after the commit."""
        self.events.append(
            InvitationChanged(
                revision=await self._next_revision(),
                room_id=room_id,
                room=room,
                user_id=user_id,
                by=by,
                pending=pending,
            )
        )

    async def record_deletion(self, room: RoomInfo, *, by: str) -> None:
        """Number the deletion of a room, in the sequence of membership changes, and publish it after the commit."""
        revision = await self._next_revision()
        self.events.append(RoomDeleted(revision=revision, room_id=room.room_id, room=room.room, by=by))

    async def record_person(self, user: UserInfo, privacy: Privacy, version: int) -> None:
        """Number a change of a profile, in the sequence of membership changes, and publish it after the commit."""
        self.events.append(
            PersonChanged(
                revision=await self._next_revision(),
                user_id=user.user_id,
                username=user.username,
                privacy=privacy,
                version=version,
            )
        )

    async def _next_revision(self) -> int:
        [(revision,)] = await self.rows(_REVISE)
        return int(revision)


def store(
    db: sqlite3.Connection,
    batch: Sequence[Append],
    changes: Sequence[AnyMessageChange] = (),
    *,
    now_ms: int,
    last_id: int,
    limits: Limits,
    spend: Spend,
    mentions: Mentions = no_mentions,
    member_ids: MemberIds = mention_rows.no_members,
    policy: EncryptionPolicy = DEFAULT_POLICY,
    check: type[RecipientCheck] = RecipientCheck,
) -> AppendPlan:
    """Plan `changes`, then `batch`, and write both, inside a transaction.

    Runs on the connection's thread in one call.
    """
    with_files = [message for message in batch if message.files]
    sessions = session_facts.named(batch, changes)
    recipients = check(session_facts.facts(db, sessions), now_ms=now_ms, limits=limits) if sessions else NONE_ENCRYPTED
    planner = change_store.planned(
        db,
        changes,
        batch,
        now_ms=now_ms,
        limits=limits,
        spend=spend,
        mentions=mentions,
        recipients=recipients,
        policy=policy,
    )
    contexts = [MessageContext._make(row) for row in _contexts(db, batch)]
    planned = plan(
        batch,
        contexts,
        now_ms=now_ms,
        last_id=last_id,
        limits=limits,
        spend=spend,
        mentions=mentions,
        changes=planner,
        may_write=partial(direct_writers.may_write, db),
        files=FileBinder(bound_files.unbound(db, with_files)) if with_files else NO_FILES,
        recipients=recipients,
        policy=policy,
    )
    if recipients.used:
        session_facts.note_use(db, recipients.used)
    if planned.inserts:
        db.executemany(_INSERT, planned.inserts)
        if planned.relations:
            db.executemany(_RELATE, [(*relations, message_id) for message_id, relations in planned.relations.items()])
        db.executemany(_SET_TAIL, [(tail.head, tail.last_ms, room_id) for room_id, tail in planned.tails.items()])
        if planned.mentions:
            mention_rows.add(db, planned.mentions, member_ids)
        if planned.files:
            bound_files.bind(db, planned.files)
    if planned.changes is not None:
        change_store.write(db, planned.changes, member_ids)
        if planned.changes.without_files:
            planned.erased_files += bound_files.erase_of_messages(db, planned.changes.without_files)
    return planned


def _contexts(db: sqlite3.Connection, batch: Sequence[Append]) -> Iterable[Row]:
    requested = [(message.room_id, message.user_id, message.key) for message in batch]
    if len(requested) == 1:
        return db.execute(_CONTEXT, requested[0])
    return db.execute(_CONTEXTS, (msgspec.json.encode(requested).decode(),))


async def last_message_id(db: aiosqlite.Connection) -> int:
    """The highest message id ever assigned, including to messages that no longer exist."""
    [(last_id,)] = await db.execute_fetchall(_LAST_ID)
    return int(last_id)
