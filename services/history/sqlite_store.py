"""The store of history in one SQLite file: reads in a pool of connections, all writes through the one writer."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import msgspec

from chatterbox.chassis.core.lru_dict import LruDict
from chatterbox.chassis.sqlite.integrity import DatabaseDamagedError
from chatterbox.chassis.sqlite.service_database import ServiceDatabase
from chatterbox.wire import history_api
from chatterbox.wire.auth_api import UserInfo
from chatterbox.wire.encryption.key_api import MemberLogPage
from chatterbox.wire.encryption.member_log import MemberEntry
from chatterbox.wire.frames import AttachedFile, Reaction
from chatterbox.wire.limits import Limits
from chatterbox.wire.read_state import NotificationLevel, ReadState
from services.history.attachments import file_changes, file_queries
from services.history.core.message_page import ChangedMessages, MessagePage, PageSpan
from services.history.core.person_record import ChangedPerson, PersonChange, PersonRecord
from services.history.core.recent_senders import RecentSenders
from services.history.core.room_view import RoomView
from services.history.encryption import member_log_store
from services.history.messages import message_pages, reaction_queries
from services.history.messages.writer import Writer
from services.history.metrics import HistoryMetrics
from services.history.people import person_store, user_lookup
from services.history.reads import notify_levels, position_store, receipt_queries
from services.history.reads.read_state_cache import ReadStateCache
from services.history.reads.read_states import ReadStateReader
from services.history.rooms import (
    direct_conversations,
    membership_changes,
    moderation,
    restored_entries,
    room_invitations,
    room_queries,
    topic_changes,
)

READS_OF_STATES = 5
"""How often states are read again at most because a commit has changed them meanwhile."""
ENROLLED_USERS = 10_000
"""Users who are remembered as members of every room that everybody is in, and not looked up again."""


class SqliteStore:
    """Implements `HistoryStore`."""

    def __init__(
        self,
        database: ServiceDatabase,
        writer: Writer,
        limits: Limits,
        metrics: HistoryMetrics | None = None,
        *,
        senders: RecentSenders | None = None,
    ) -> None:
        """`senders` follows what `writer` commits."""
        self._readers = database.readers
        self._damage = database.damage
        self._background_check = database.background_check
        self._writer = writer
        self._limits = limits
        self._enrolled: LruDict[int, bool] = LruDict(ENROLLED_USERS)
        self._read_states = ReadStateReader(database.readers, senders or RecentSenders())
        self._state_cache = ReadStateCache(writer.read_activity, writer.activity)
        self._page_s = (metrics or HistoryMetrics()).page_s

    @property
    def is_checked(self) -> bool:
        return self._background_check.has_passed

    @property
    def is_damaged(self) -> bool:
        return self._damage.why is not None

    # Messages

    async def append(
        self, messages: Sequence[history_api.Append], changes: Sequence[history_api.AnyMessageChange] = ()
    ) -> history_api.AppendAnswer:
        return await self._writer.append_batch(messages, changes)

    async def page(self, room_id: int, span: PageSpan) -> MessagePage:
        with self._timed_and_proven():
            return await message_pages.read(self._readers, room_id, span, prove=not self.is_checked)

    async def changed_messages(self, room_id: int, after: int, *, first: int, limit: int) -> ChangedMessages:
        with self._timed_and_proven():
            return await message_pages.read_changes(
                self._readers, room_id, after, first=first, limit=limit, prove=not self.is_checked
            )

    @contextmanager
    def _timed_and_proven(self) -> Iterator[None]:
        """Measure a read; if it finds damage, record it and refuse."""
        with self._page_s.time():
            try:
                yield
            except DatabaseDamagedError as problem:
                raise self._damage.found(str(problem)) from problem

    async def reactions(self, room_id: int, offset: int) -> list[Reaction]:
        return await reaction_queries.of_message(self._readers, room_id, offset)

    async def own_reactions(self, room_id: int, user_id: int, first: int, last: int) -> list[tuple[int, str]]:
        return await reaction_queries.own(self._readers, room_id, user_id, first, last)

    # Rooms

    @property
    def revision(self) -> int | None:
        return self._writer.revision

    async def heads(self, query: history_api.HeadsQuery) -> history_api.Heads:
        activity = self._writer.activity
        cursor = activity.cursor  # before the heads are read, so that no commit is missed: see `RoomActivity`
        room_ids = query.room_ids if query.since is None else activity.since(query.since)
        answer = await room_queries.heads(self._readers, room_ids or [], topics=query.topics)
        return msgspec.structs.replace(answer, cursor=cursor, comparable=room_ids is not None)

    async def memberships(self, user_ids: Sequence[int]) -> history_api.MembershipSnapshot:
        cursor = self._writer.activity.cursor  # before the heads are read, as in `heads`
        snapshot = await room_queries.memberships(self._readers, user_ids)  # changes after it may be in what follows
        reads = await self.read_states(user_ids)
        pending = await room_invitations.pending(self._readers, list(user_ids))
        privacy = await person_store.privacy(self._readers, user_ids)
        return msgspec.structs.replace(snapshot, invitations=pending, reads=reads, privacy=privacy, cursor=cursor)

    async def enroll(self, users: Mapping[int, str]) -> None:
        """As the port says. Writes for new users only."""
        if all(self._enrolled.get(user_id) for user_id in users):
            return
        known = dict(users)
        if await membership_changes.is_any_unenrolled(self._readers, known):
            await self._writer.change(lambda transaction: membership_changes.enroll(transaction, known))
        for user_id in known:
            self._enrolled.put(user_id, True)

    async def room(self, room: str, user_id: int) -> RoomView:
        return await room_queries.find(self._readers, room, user_id, self._limits)

    async def creator(self, view: RoomView) -> str | None:
        return await room_queries.creator(self._readers, view)

    async def listing(self, user_id: int, after: str | None = None) -> history_api.RoomListing:
        return await room_queries.listing(self._readers, user_id, self._limits.page_rooms, after)

    async def members(self, room_id: int) -> list[str]:
        return await room_queries.members(self._readers, room_id)

    async def join(self, room: str, user: UserInfo) -> history_api.RoomInfo:
        return await self._writer.change(
            lambda transaction: membership_changes.join(transaction, room, user, self._limits)
        )

    async def leave(
        self, room: str, user: UserInfo, *, delete: bool, entry: MemberEntry | None = None
    ) -> history_api.LeftRoom:
        return await self._writer.change(
            lambda transaction: membership_changes.leave(
                transaction, room, user, self._limits, delete=delete, entry=entry
            )
        )

    async def create(
        self, room: str, user: UserInfo, *, private: bool, entry: MemberEntry | None = None
    ) -> history_api.RoomInfo:
        return await self._writer.change(
            lambda transaction: membership_changes.create(
                transaction, room, user, self._limits, private=private, entry=entry
            )
        )

    async def open_direct(self, user: UserInfo, other: UserInfo, *, encrypted: bool = False) -> history_api.RoomInfo:
        return await self._writer.change(
            lambda transaction: direct_conversations.open_direct(
                transaction, user, other, self._limits, encrypted=encrypted
            )
        )

    async def remove_member(
        self, room: str, creator: UserInfo, username: str, entry: MemberEntry | None = None
    ) -> UserInfo:
        return await self._writer.change(
            lambda transaction: moderation.remove_member(transaction, room, creator, username, self._limits, entry)
        )

    async def delete_room(self, room: str, creator: UserInfo) -> history_api.RoomInfo:
        return await self._writer.change(
            lambda transaction: moderation.delete_room(transaction, room, creator, self._limits)
        )

    async def delete_any_room(self, room: str) -> history_api.RoomInfo:
        return await self._writer.change(lambda transaction: moderation.delete_any(transaction, room, self._limits))

    async def change_topic(self, room: str, user: UserInfo, topic: str, recipients: int = 0) -> str:
        return await self._writer.change(
            lambda transaction: topic_changes.change(transaction, room, user, topic, self._limits, recipients)
        )

    async def invite(
        self, room: str, inviter: UserInfo, invitee: UserInfo | None, entry: MemberEntry | None = None
    ) -> history_api.RoomInfo:
        return await self._writer.change(
            lambda transaction: room_invitations.invite(transaction, room, inviter, invitee, self._limits, entry)
        )

    async def member_log(self, room_id: int, after: int, limit: int) -> MemberLogPage:
        return await member_log_store.page(self._readers, room_id, after, limit)

    async def restore_entries(self, room: str, user: UserInfo, entries: Sequence[MemberEntry]) -> int:
        return await self._writer.change(
            lambda transaction: restored_entries.append_again(transaction, room, user, entries, self._limits)
        )

    async def invitations(self, user_id: int) -> list[history_api.StoredInvitation]:
        return (await room_invitations.pending(self._readers, [user_id])).get(user_id, [])

    async def decline(self, room: str, user: UserInfo) -> str:
        return await self._writer.change(
            lambda transaction: room_invitations.decline(transaction, room, user, self._limits)
        )

    # Read states

    async def read_states(self, user_ids: Sequence[int]) -> dict[int, dict[int, ReadState]]:
        states = self._state_cache.find(user_ids)
        if missing := [user_id for user_id in dict.fromkeys(user_ids) if user_id not in states]:
            cursors, estimates = self._state_cache.cursors(), self._read_states.estimates
            read = await self._read_states.of_users(missing)
            if self._read_states.estimates == estimates:
                self._state_cache.keep(cursors, read)
            states |= read
        return states

    async def states_of(self, members: Sequence[tuple[int, int]]) -> dict[tuple[int, int], ReadState]:
        activity = self._writer.read_activity
        states: dict[tuple[int, int], ReadState] = {}
        wanted: Sequence[tuple[int, int]] = members
        for _ in range(READS_OF_STATES):
            cursor = activity.cursor
            states |= await self._read_states.of_members(wanted)
            wanted = [place for place in wanted if activity.is_noted(place[1], cursor)]
            if not wanted:
                break
            for place in wanted:
                states.pop(place, None)
        return states

    async def mark_read(self, positions: Sequence[history_api.ReadPosition]) -> list[tuple[int, int]]:
        return await self._writer.change(
            lambda transaction: position_store.store(transaction, positions), uses_reserve=False
        )

    async def readers(self, members: Sequence[tuple[int, int]]) -> dict[tuple[int, int], str]:
        return await receipt_queries.readers(self._readers, members, self._limits.receipts_members)

    async def receipts(self, room_id: int) -> dict[str, int]:
        return await receipt_queries.receipts(self._readers, room_id, self._limits.receipts_members)

    async def set_notify(
        self, room: str, user: UserInfo, level: NotificationLevel, quiet_until_ms: int
    ) -> tuple[history_api.RoomInfo, bool]:
        return await self._writer.change(
            lambda transaction: notify_levels.store(transaction, room, user, level, quiet_until_ms, self._limits)
        )

    # Users

    async def people(self, user_ids: Sequence[int]) -> dict[int, PersonRecord]:
        return await person_store.read(self._readers, user_ids)

    async def change_person(self, user: UserInfo, change: PersonChange) -> ChangedPerson:
        return await self._writer.change(lambda transaction: person_store.change(transaction, user, change))

    async def mark_seen(self, user_ids: Sequence[int]) -> None:
        await self._writer.change(lambda transaction: person_store.mark_seen(transaction, user_ids), uses_reserve=False)

    async def users_by_name(self, usernames: Sequence[str]) -> list[UserInfo]:
        return await user_lookup.by_name(self._readers, usernames)

    async def users_by_id(self, user_ids: Sequence[int]) -> list[UserInfo]:
        return await user_lookup.by_id(self._readers, user_ids)

    async def sharing(self, user_ids: Sequence[int], viewers: Sequence[int]) -> set[tuple[int, int]]:
        return await user_lookup.sharing(self._readers, user_ids, viewers)

    async def blocked(self, user_id: int) -> list[str]:
        return await room_invitations.blocked(self._readers, user_id)

    async def block(self, user: UserInfo, username: str) -> str:
        return await self._writer.change(lambda transaction: room_invitations.block(transaction, user, username))

    async def unblock(self, user: UserInfo, username: str) -> str:
        return await self._writer.change(lambda transaction: room_invitations.unblock(transaction, user, username))

    # Files

    async def add_file(self, uploaded: history_api.FileUploaded) -> None:
        await self._writer.change(lambda transaction: file_changes.add(transaction, uploaded), uses_reserve=False)

    async def require_writer(self, room: history_api.RoomInfo, user: UserInfo) -> None:
        await file_queries.require_direct_writer(self._readers, room.room_id, user.user_id, user.username)

    async def readable_file(self, file_id: str, user_id: int) -> AttachedFile:
        return await file_queries.readable(self._readers, file_id, user_id)

    async def files_to_erase(self, done: Sequence[str]) -> list[str]:
        if done:
            await self._writer.change(lambda transaction: file_changes.acknowledge(transaction, done))
        return await file_queries.to_erase(self._readers)

    async def known_files(self, file_ids: Sequence[str]) -> list[str]:
        return await file_queries.known(self._readers, file_ids)
