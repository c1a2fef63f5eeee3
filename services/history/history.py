"""The history service: rooms, memberships and messages, with the same rules for public routes and gateways."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from chatterbox.chassis.token_verifier import AuthClient
from chatterbox.wire import direct_names, history_api, room_names, text_rules
from chatterbox.wire.auth_api import UserInfo
from chatterbox.wire.broker_events import OwnReadState
from chatterbox.wire.encryption.key_api import MemberLogPage
from chatterbox.wire.encryption.member_log import MemberEntry
from chatterbox.wire.encryption.policy import DEFAULT_POLICY, EncryptionPolicy
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.frames import AttachedFile, Reaction
from chatterbox.wire.limits import Limits
from chatterbox.wire.rate_limits import CHANGES, DIRECTS, INVITATIONS, LISTINGS, READS, ROOMS_CREATED
from chatterbox.wire.read_state import NotificationLevel, ReadState
from services.history.core import stored_message
from services.history.core.message_page import ChangedMessages, MessagePage, PageSpan
from services.history.core.room_view import RoomView
from services.history.core.stored_message import StoredMessage
from services.history.encryption.core import member_entry_rules
from services.history.history_store import HistoryStore
from services.history.keys import KeyDirectory
from services.history.people.person_directory import PersonDirectory
from services.history.reads.signal_publisher import NO_SIGNALS, Signals
from services.history.user_rates import UserRates

MAX_APPEND_MESSAGES = 2000
"""Maximum number of messages and changes in one append."""
MAX_PAGE_MESSAGES = 1000
"""Maximum number of messages in a page for a gateway."""
MAX_READ_POSITIONS = 500
"""Maximum number of read positions in one request."""
MAX_FILE_IDS = 1000
"""Maximum number of files in one request."""


class HistoryService:
    """What the routes call. Every refusal is a `ChatError`; requests of a user beyond a rate are `rate_limited`."""

    def __init__(
        self,
        store: HistoryStore,
        auth: AuthClient,
        limits: Limits,
        *,
        rates: UserRates,
        keys: KeyDirectory,
        now_ms: Callable[[], int],
        signals: Signals = NO_SIGNALS,
        on_deleted: Callable[[], None] = lambda: None,
        policy: EncryptionPolicy = DEFAULT_POLICY,
    ) -> None:
        """`keys` counts against the same `rates`. `now_ms` is milliseconds since 1970. `signals` tells gateways of
        changed read states. `on_deleted` is called after a room was deleted: its messages are still to be deleted.
        """
        self._policy = policy
        self._store = store
        self._auth = auth
        self._limits = limits
        self._on_deleted = on_deleted
        self._signals = signals
        self._rates = rates
        self.people = PersonDirectory(store, auth, limits, self._rates, now_ms)
        self.keys = keys

    async def append(self, batch: history_api.AppendBatch) -> history_api.AppendAnswer:
        """Change messages and store new ones; on return all of it is durable. Without any, tell the revision."""
        if not (batch.messages or batch.changes):
            return history_api.AppendAnswer(revision=await self._revision())
        if len(batch.messages) + len(batch.changes) > MAX_APPEND_MESSAGES:
            raise ChatError(Code.BAD_REQUEST, f"One append holds at most {MAX_APPEND_MESSAGES} messages and changes.")
        return await self._store.append(batch.messages, batch.changes)

    async def _revision(self) -> int:
        known = self._store.revision
        return known if known is not None else (await self.heads(history_api.HeadsQuery())).revision

    async def page(self, room_id: int, span: PageSpan, reader: int | None = None) -> MessagePage:
        """A page for a gateway, which checks itself who may read it. It counts as a read of user `reader`, if given."""
        if reader is not None:
            self._rates.spend(READS, reader)
        if not 1 <= span.limit <= MAX_PAGE_MESSAGES:
            raise ChatError(Code.BAD_REQUEST, f"A page's limit is 1 to {MAX_PAGE_MESSAGES}.")
        return await self._store.page(room_id, span)

    async def changes(self, query: history_api.ChangesQuery) -> ChangedMessages:
        """Changed messages for a gateway, as `page`."""
        if query.reader is not None:
            self._rates.spend(READS, query.reader)
        if not 1 <= query.limit <= MAX_PAGE_MESSAGES:
            raise ChatError(Code.BAD_REQUEST, f"A page's limit is 1 to {MAX_PAGE_MESSAGES}.")
        return await self._store.changed_messages(query.room_id, query.after, first=query.first, limit=query.limit)

    async def messages(self, room: str, user: UserInfo, span: PageSpan) -> MessagePage:
        """A page for a user; raises `not_a_member`."""
        info = (await self.room(room, user)).require_member()
        return await self._store.page(info.room_id, span)

    async def changed_messages(self, room: str, user: UserInfo, after: int, limit: int) -> ChangedMessages:
        """Changed messages for a user; raises `not_a_member`."""
        info = (await self.room(room, user)).require_member()
        return await self._store.changed_messages(info.room_id, after, first=1, limit=limit)

    async def pins(self, room: str, user: UserInfo) -> MessagePage:
        """The pinned messages of a room, for a user."""
        return await self.messages(room, user, PageSpan(self._limits.pins_per_room, after=0, pinned=True))

    async def reactions(self, room: str, user: UserInfo, offset: int) -> list[Reaction]:
        """The reactions to a message; raises `message_unknown`."""
        info = (await self.room(room, user)).require_member()
        message = await self._message(info, offset)
        if info.encrypted:
            return list(stored_message.reactions(message.marks))
        return await self._store.reactions(info.room_id, offset)

    async def own_reactions(self, room: str, user: UserInfo, first: int, last: int) -> list[tuple[int, str]]:
        """The user's reactions to the messages of a range of offsets; none in an encrypted room."""
        info = (await self.room(room, user)).require_member()
        if last - first > self._limits.page_messages:
            raise ChatError(Code.BAD_REQUEST, f"A range has at most {self._limits.page_messages} messages.")
        if info.encrypted:
            return []
        return await self._store.own_reactions(info.room_id, user.user_id, first, last)

    async def send(
        self,
        room: str,
        user: UserInfo,
        content: str,
        *,
        key: str,
        reply_to: int,
        files: Sequence[str] = (),
        recipients: int = 0,
    ) -> tuple[history_api.RoomInfo, StoredMessage]:
        """Store a message of a user; returns its room, and the message as it is now.

        `recipients`: in an encrypted room, the version of its recipients that `content` was encrypted for.
        """
        check_text = text_rules.caption if files else text_rules.content
        info = await self._room_to_write_in(
            room, user, lambda: None if recipients else check_text(content, self._limits), recipients=recipients
        )
        author = (info.room_id, user.user_id, user.username)
        message = history_api.Append(*author, content, key, reply_to, tuple(files), recipients)
        [outcome] = (await self._store.append([message])).outcomes
        if isinstance(outcome, history_api.AppendRefused):
            raise _refusal(outcome)
        return info, await self._message(info, outcome.offset)

    async def _room_to_write_in(
        self, room: str, user: UserInfo, check: Callable[[], object] = lambda: None, *, recipients: int | None = None
    ) -> history_api.RoomInfo:
        """The room, if `user` is a member; a direct conversation that does not exist yet is opened after `check`."""
        try:
            return (await self.changed_room(room, user)).require_member()
        except ChatError as problem:
            if problem.code is not Code.ROOM_UNKNOWN or not (other := direct_names.peer(room, user.username)):
                raise
        check()
        encrypted = room_names.is_encrypted(room)
        if encrypted and recipients == 0:
            raise ChatError(Code.ROOM_ENCRYPTED)
        return await self.open_direct(user, other, encrypted=encrypted)

    async def upload_room(self, room: str, user: UserInfo) -> history_api.UploadRoom:
        """The room that `user` may upload a file for: they may write in it. A direct conversation is opened."""
        await self.enroll({user.user_id: user.username})
        info = await self._room_to_write_in(room, user)
        if direct_names.people(info.room) and not info.encrypted and self._policy.direct_is_encrypted:
            raise ChatError(Code.ENCRYPTION_REQUIRED)
        await self._store.require_writer(info, user)
        return history_api.UploadRoom(info.room_id, info.room)

    async def add_file(self, uploaded: history_api.FileUploaded) -> None:
        """Store a complete file, which its user can then send."""
        await self._store.add_file(uploaded)

    async def readable_file(self, file_id: str, user_id: int) -> AttachedFile:
        """A file that a user may read; raises `file_unknown`."""
        return await self._store.readable_file(file_id, user_id)

    async def files_to_erase(self, done: Sequence[str]) -> list[str]:
        """Files whose bytes are to be erased; those of `done` are."""
        _require_few(done)
        return await self._store.files_to_erase(done)

    async def known_files(self, file_ids: Sequence[str]) -> list[str]:
        """Those of these files that are kept."""
        _require_few(file_ids)
        return await self._store.known_files(file_ids)

    async def edit(
        self, room: str, user: UserInfo, offset: int, content: str, *, rev: int | None, recipients: int = 0
    ) -> tuple[history_api.RoomInfo, StoredMessage]:
        """Replace the text of a message; returns its room, and the message as it is now."""
        info = await self._change(
            room,
            user,
            lambda info: history_api.MessageEdit(
                **_change_of(info, user, offset), content=content, rev=rev, recipients=recipients
            ),
        )
        return info, await self._message(info, offset)

    async def delete_message(self, room: str, user: UserInfo, offset: int) -> None:
        await self._change(room, user, lambda info: history_api.MessageDeletion(**_change_of(info, user, offset)))

    async def react(self, room: str, user: UserInfo, offset: int, emoji: str, *, remove: bool = False) -> None:
        await self._change(
            room,
            user,
            lambda info: history_api.MessageReaction(**_change_of(info, user, offset), emoji=emoji, remove=remove),
        )

    async def react_encrypted(
        self, room: str, user: UserInfo, offset: int, envelope: str = "", recipients: int = 0
    ) -> None:
        """Set all reactions of a user to a message in an encrypted room; without `envelope`, take them back."""
        await self._change(
            room,
            user,
            lambda info: history_api.MessageReaction(
                **_change_of(info, user, offset),
                emoji="",
                remove=not envelope,
                envelope=envelope,
                recipients=recipients,
            ),
        )

    async def pin(self, room: str, user: UserInfo, offset: int, *, remove: bool = False) -> None:
        await self._change(
            room, user, lambda info: history_api.MessagePin(**_change_of(info, user, offset), remove=remove)
        )

    async def _change(
        self,
        room: str,
        user: UserInfo,
        change: Callable[[history_api.RoomInfo], history_api.AnyMessageChange],
    ) -> history_api.RoomInfo:
        info = (await self.changed_room(room, user)).require_member()
        [outcome] = (await self._store.append([], [change(info)])).change_outcomes
        if isinstance(outcome, history_api.AppendRefused):
            raise _refusal(outcome)
        return info

    async def _message(self, info: history_api.RoomInfo, offset: int) -> StoredMessage:
        """A message as it is now; raises `message_unknown`."""
        page = await self._store.page(info.room_id, PageSpan(1, after=offset - 1))
        if not page.messages:
            raise ChatError(Code.MESSAGE_UNKNOWN)
        return page.messages[0]

    @property
    def is_checked(self) -> bool:
        """Whether the whole database was checked since the start. Until then, each page is checked as it is read."""
        return self._store.is_checked

    @property
    def is_damaged(self) -> bool:
        """Whether the database was found damaged. Pages that are proven right are still served, nothing is stored."""
        return self._store.is_damaged

    async def heads(self, query: history_api.HeadsQuery) -> history_api.Heads:
        """The heads of some rooms, or of those that changed after a cursor."""
        return await self._store.heads(query)

    async def memberships(self, users: dict[int, str]) -> history_api.MembershipSnapshot:
        """The memberships of users (names by id), and what they have read, after `enroll`."""
        await self.enroll(users)
        return await self._store.memberships(list(users))

    async def read_states(self, user_ids: Sequence[int]) -> history_api.ReadStates:
        """The state of each room of these users."""
        return history_api.ReadStates(await self._store.read_states(user_ids))

    async def mark_read(self, reported: history_api.ReadPositions) -> history_api.ReadOutcomes:
        """Store read positions for a gateway; on return they are durable. Other gateways are told what changed."""
        positions = reported.positions
        if len(positions) > MAX_READ_POSITIONS:
            raise ChatError(Code.BAD_REQUEST, f"One request holds at most {MAX_READ_POSITIONS} read positions.")
        advanced = await self._store.mark_read(positions)
        places = [(position.room_id, position.user_id) for position in positions]
        states = await self._store.states_of(list(dict.fromkeys(places)))
        readers = await self._store.readers(list(states))
        told = [_own(*place, states[place], readers.get(place, "")) for place in advanced if place in states]
        self._signals.tell(told, reported.origin)
        return history_api.ReadOutcomes(
            [states.get(place) for place in places], [readers.get(place, "") for place in places]
        )

    async def receipts(self, room_id: int) -> history_api.Receipts:
        """How far the members of a small room have read it, of those who show it."""
        return history_api.Receipts(await self._store.receipts(room_id))

    async def mark_room_read(
        self, room: str, user: UserInfo, offset: int, turn: int | None
    ) -> tuple[history_api.RoomInfo, ReadState]:
        """Store how far a user has read a room; returns the room, and its state now."""
        self._rates.spend(CHANGES, user.user_id)
        info = (await self.changed_room(room, user)).require_member()
        position = history_api.ReadPosition(info.room_id, user.user_id, offset, turn)
        [state] = (await self.mark_read(history_api.ReadPositions([position]))).states
        if state is None:
            raise ChatError(Code.NOT_A_MEMBER)
        return info, state

    async def notify(
        self, room: str, user: UserInfo, level: NotificationLevel, until: str = "", *, origin: str = ""
    ) -> tuple[history_api.RoomInfo, ReadState]:
        """Set of what a room notifies a user, and (RFC 3339) until when of nothing; returns the room, and its state."""
        self._rates.spend(CHANGES, user.user_id)
        quiet_until_ms = text_rules.moment_ms(until) if until else 0
        info, is_changed = await self._store.set_notify(room, user, level, quiet_until_ms)
        place = (info.room_id, user.user_id)
        state = (await self._store.states_of([place])).get(place)
        if state is None:
            raise ChatError(Code.NOT_A_MEMBER)
        if is_changed:
            self._signals.tell([_own(*place, state)], origin)
        return info, state

    async def unread(self, user: UserInfo) -> list[tuple[str, ReadState]]:
        """The user's rooms by name, with their states."""
        self._rates.spend(LISTINGS, user.user_id)
        snapshot = await self._store.memberships([user.user_id])
        names = {info.room_id: info.room for info in snapshot.rooms}
        states = snapshot.reads[user.user_id].items()  # a room that was joined meanwhile may be among them
        return sorted((names[room_id], state) for room_id, state in states if room_id in names)

    async def enroll(self, users: dict[int, str]) -> None:
        """Make users (names by id) members of every room that everybody is in. Writes for new users only."""
        await self._store.enroll(users)

    async def room(self, room: str, user: UserInfo) -> RoomView:
        """The room as `user` sees it; raises `room_unknown`."""
        self._rates.spend(READS, user.user_id)
        return await self.changed_room(room, user)

    def count_read(self, user: UserInfo) -> None:
        """Count a read that is answered from memory, or after `changed_room`; raises `rate_limited`."""
        self._rates.spend(READS, user.user_id)

    async def changed_room(self, room: str, user: UserInfo) -> RoomView:
        """As `room`, for the answer to a change that was counted already."""
        return await self._store.room(room, user.user_id)

    async def creator(self, view: RoomView) -> str | None:
        """The name of a room's creator, for the details of the room."""
        return await self._store.creator(view)

    async def rooms(self, user_id: int, after: str | None = None) -> history_api.RoomListing:
        """A page of the room list; `after` is the `next` of the page before."""
        self._rates.spend(LISTINGS, user_id)
        return await self._store.listing(user_id, after)

    async def members(self, room: str, user: UserInfo) -> list[str]:
        """The usernames of a room's members; raises `not_a_member`."""
        info = (await self.room(room, user)).require_member()
        return await self._store.members(info.room_id)

    async def join(self, room: str, user: UserInfo) -> history_api.RoomInfo:
        self._rates.spend(CHANGES, user.user_id)
        return await self._store.join(room, user)

    async def leave(
        self, room: str, user: UserInfo, *, delete: bool = False, entry: MemberEntry | None = None
    ) -> history_api.LeftRoom:
        """End a membership; the last member of a private room must confirm with `delete` that the room is deleted.

        `entry`, here and below: the next entry of the member log of an encrypted room, signed by the user.
        """
        self._rates.spend(CHANGES, user.user_id)
        await _check_signatures(entry)
        left = await self._store.leave(room, user, delete=delete, entry=entry)
        if left.deleted:
            self._on_deleted()
        return left

    async def remove_member(
        self, room: str, creator: UserInfo, username: str, *, entry: MemberEntry | None = None
    ) -> UserInfo:
        """Remove a member from a room that `creator` created; returns the removed user."""
        self._rates.spend(CHANGES, creator.user_id)
        await _check_signatures(entry)
        return await self._store.remove_member(room, creator, username, entry)

    async def delete_room(self, room: str, creator: UserInfo) -> history_api.RoomInfo:
        """Delete a room that `creator` created, and all of its messages."""
        self._rates.spend(CHANGES, creator.user_id)
        info = await self._store.delete_room(room, creator)
        self._on_deleted()
        return info

    async def delete_any_room(self, room: str) -> history_api.RoomInfo:
        """Delete a room for the operator."""
        info = await self._store.delete_any_room(room)
        self._on_deleted()
        return info

    async def create(
        self, room: str, user: UserInfo, *, private: bool, entry: MemberEntry | None = None
    ) -> history_api.RoomInfo:
        """Create a room. An attempt counts even if the name is taken: it tells that the name is in use.

        A private room whose name ends in `~` is encrypted. Raises `encryption_off` or `encryption_required`.
        """
        self._rates.spend(CHANGES, user.user_id)
        self._rates.spend(ROOMS_CREATED, user.user_id)
        self._require_policy(room_names.room_name(room, self._limits), private=private)
        await _check_signatures(entry)
        return await self._store.create(room, user, private=private, entry=entry)

    def _require_policy(self, room: str, *, private: bool) -> None:
        """Raise a `ChatError` if the policy does not allow to create a room of this name."""
        if room_names.is_encrypted(room):
            if self._policy is EncryptionPolicy.OFF:
                raise ChatError(Code.ENCRYPTION_OFF)
        elif private and self._policy.private_must_be_encrypted:
            detail = (
                f"New private rooms are encrypted on this server. Create {room_names.encrypted_name(room)} instead."
            )
            raise ChatError(Code.ENCRYPTION_REQUIRED, detail)

    async def open_direct(
        self, user: UserInfo, username: str, *, encrypted: bool | None = None
    ) -> history_api.RoomInfo:
        """The direct conversation of `user` with another user, or with themselves for notes, made the first time.

        `encrypted`: the encrypted one, or the one that is not; None: which of them this server begins. Raises
        `user_unknown`, or `direct_refused` if that user takes none from this one.
        """
        self._rates.spend(CHANGES, user.user_id)
        wanted = self._policy.direct_is_encrypted if encrypted is None else encrypted
        name = direct_names.direct_name(user.username, text_rules.username(username), encrypted=wanted)
        try:
            return (await self._store.room(name, user.user_id)).info
        except ChatError as problem:
            if problem.code is not Code.ROOM_UNKNOWN:
                raise
        if wanted and self._policy is EncryptionPolicy.OFF:
            raise ChatError(Code.ENCRYPTION_OFF)
        if not wanted and self._policy.direct_is_encrypted:
            raise ChatError(Code.ENCRYPTION_REQUIRED)
        other = await self._auth.user(username)
        self._rates.spend(DIRECTS, user.user_id)
        return await self._store.open_direct(user, other, encrypted=wanted)

    async def change_topic(self, room: str, user: UserInfo, topic: str, *, recipients: int = 0) -> str:
        """Set the topic of a room; returns it as stored.

        `recipients`: in an encrypted room, the version of its recipients that `topic` was encrypted for.
        """
        self._rates.spend(CHANGES, user.user_id)
        return await self._store.change_topic(room, user, topic, recipients)

    async def invite(
        self, room: str, inviter: UserInfo, username: str, *, entry: MemberEntry | None = None
    ) -> history_api.RoomInfo:
        """Invite `username` to a room that `inviter` is in. The answer does not tell whether there is such a user."""
        self._rates.spend(CHANGES, inviter.user_id)
        self._rates.spend(INVITATIONS, inviter.user_id)
        (await self.changed_room(room, inviter)).require_member()
        await _check_signatures(entry)
        invitee = await self._user(username)
        return await self._store.invite(room, inviter, invitee, entry)

    async def member_log(self, room: str, user: UserInfo, after: int, limit: int) -> MemberLogPage:
        """Entries of the member log of a room, for a member."""
        info = (await self.room(room, user)).require_member()
        return await self._store.member_log(info.room_id, after, limit)

    async def restore_entries(self, room: str, user: UserInfo, entries: Sequence[MemberEntry]) -> int:
        """Append entries to a member log again that a restored backup lacks; returns how many it has then."""
        self._rates.spend(CHANGES, user.user_id)
        await _check_signatures(*entries)
        return await self._store.restore_entries(room, user, entries)

    async def _user(self, username: str) -> UserInfo | None:
        try:
            return await self._auth.user(username)
        except ChatError as problem:
            if problem.code in {Code.USER_UNKNOWN, Code.USERNAME_INVALID}:
                return None
            raise

    async def invitations(self, user: UserInfo) -> list[history_api.StoredInvitation]:
        """The pending invitations of a user, oldest first."""
        self._rates.spend(READS, user.user_id)
        return await self._store.invitations(user.user_id)

    async def decline(self, room: str, user: UserInfo) -> str:
        """End an invitation; returns the name of the room."""
        self._rates.spend(CHANGES, user.user_id)
        return await self._store.decline(room, user)

    async def blocked(self, user: UserInfo) -> list[str]:
        """The names of the users whose invitations are dropped."""
        self._rates.spend(READS, user.user_id)
        return await self._store.blocked(user.user_id)

    async def block(self, user: UserInfo, username: str) -> str:
        """Drop a user's invitations, pending and later ones; returns the name."""
        self._rates.spend(CHANGES, user.user_id)
        return await self._store.block(user, username)

    async def unblock(self, user: UserInfo, username: str) -> str:
        """Allow a user's invitations again; returns the name."""
        self._rates.spend(CHANGES, user.user_id)
        return await self._store.unblock(user, username)


async def _check_signatures(*entries: MemberEntry | None) -> None:
    """In a thread: those of a long upload take milliseconds."""
    signed = [entry for entry in entries if entry is not None]
    if signed:
        await asyncio.to_thread(member_entry_rules.check_signatures, signed)


def _change_of(info: history_api.RoomInfo, user: UserInfo, offset: int) -> dict[str, Any]:
    return {"room_id": info.room_id, "user_id": user.user_id, "username": user.username, "offset": offset}


def _require_few(file_ids: Sequence[str]) -> None:
    if len(file_ids) > MAX_FILE_IDS:
        raise ChatError(Code.BAD_REQUEST, f"One request names at most {MAX_FILE_IDS} files.")


def _own(room_id: int, user_id: int, state: ReadState, reader: str = "") -> OwnReadState:
    return OwnReadState(user_id, room_id, state, reader)


def _refusal(outcome: history_api.AppendRefused) -> ChatError:
    return ChatError(Code(outcome.code), outcome.detail, retry_after_s=outcome.retry_after_s)
