"""Gives the key of a room's session to all who can read the room, before a message is encrypted with it.

The server says which devices can read; who gets the key is decided by what their owners, and in rooms the members,
signed.
"""

from collections.abc import Callable, Sequence
from functools import partial

import msgspec

from chatterbox.wire import direct_names
from chatterbox.wire.encryption.member_log import MemberEntryKind
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.frames.encryption import (
    DeviceAddress,
    KeysShared,
    ReadRecipients,
    Recipients,
    ShareKeys,
    Withheld,
    WithheldReason,
)
from chatterbox.wire.text_rules import folded
from client.encryption.command_link import CommandLink
from client.encryption.core.member_log_rules import HeldLog
from client.encryption.core.messages.recipient_decision import Decision, OutboundFacts, RecipientMember, decide
from client.encryption.core.trust import Trust
from client.encryption.device.device_identity import DeviceIdentity
from client.encryption.exchange.inbox_reader import DeviceInboxReader
from client.encryption.exchange.to_device_sender import ToDeviceSender
from client.encryption.message_encryption import EncryptedRoom, EncryptionWaits, WaitReason
from client.encryption.rooms.member_log_keeper import MemberLogKeeper, Reading
from client.encryption.rooms.member_news import MemberNews, MemberNewsKind
from client.encryption.rooms.room_people import trust_in_room
from client.encryption.sessions import room_sessions, to_device_queue
from client.encryption.sessions.olm_sessions import OlmSessions
from client.encryption.sessions.room_sessions import ROOM_KEY
from client.encryption.sessions.user_directory import UserDirectory
from client.encryption.store.key_store import StoreTransaction
from client.encryption.store_worker import StoreWorker


class KeySharer:
    """Shares the keys of the sessions with which this device encrypts."""

    def __init__(
        self,
        store: StoreWorker,
        users: UserDirectory,
        reader: DeviceInboxReader,
        queue: ToDeviceSender,
        logs: MemberLogKeeper,
        link: Callable[[], CommandLink],
        now_ms: Callable[[], int],
    ) -> None:
        self._store = store
        self._users = users
        self._reader = reader
        self._queue = queue
        self._logs = logs
        self._link = link
        self._now_ms = now_ms

    async def share(self, room: EncryptedRoom) -> int | None:
        """Give the room's key to all who can read it now.

        Returns the version of the recipients for which the room's session is ready then; None: that changed meanwhile.
        Raises `EncryptionWaits`, `ChatError`, `Failure` and `LinkBroken`.
        """
        recipients, held = await self.read_recipients(room)
        people = direct_names.people(room.name)
        self._require_people(recipients, people)
        decision, wanted = await self._store.run(
            partial(self._decision, room=room, recipients=recipients, held=held if not people else None)
        )
        failed = await self._reader.claim(wanted) if wanted else set()
        own = (await self._store.run(_identity)).username
        self._require_keys(decision, failed, {name for name in people if folded(name) != folded(own)})
        session = await self._store.run(
            partial(self._queue_share, room=room, recipients=recipients, decision=decision, failed=failed)
        )
        sent = await self._queue.flush()
        if session in sent.stale:
            return None
        missing = sent.missing.get(session)
        if missing is None:  # another process sent it
            missing = await self._missing(room, session, recipients.recipients)
        await self._store.run(
            partial(
                _finish_share,
                uid=room.uid,
                session=session,
                version=recipients.recipients,
                log=held.seq,
                missing=missing,
            )
        )
        return recipients.recipients

    async def read_recipients(self, room: EncryptedRoom) -> Reading:
        """Who can read a room as the server says, and the room's member log, complete; keys are taken that changed."""
        people = set(map(folded, direct_names.people(room.name)))
        known = await self._store.run(self._users.versions)
        if people:
            known = {username: version for username, version in known.items() if folded(username) in people}
            recipients = await self._link().ask(ReadRecipients(id=0, room=room.name, known=known))
            assert isinstance(recipients, Recipients)  # noqa: S101 - the reply of its command
            reading = Reading(recipients, HeldLog())
        else:
            reading = await self._logs.read(room, known)
        await self._reader.accept(reading.recipients.lists)
        if not people:
            await self._tell_members(room, reading)
        return reading

    async def _tell_members(self, room: EncryptedRoom, reading: Reading) -> None:
        """Tell of members whom no member invited, and of those who have other keys than when they were invited."""
        ghosts, changed = await self._store.run(partial(self._odd_members, reading=reading))
        for username in ghosts:
            await self._logs.tell(room, MemberNews(MemberNewsKind.GHOST, room.name, username))
        for username, master in changed.items():
            await self._logs.tell(room, MemberNews(MemberNewsKind.OTHER_KEYS, room.name, username), about=master)

    def _odd_members(self, transaction: StoreTransaction, reading: Reading) -> tuple[list[str], dict[str, str]]:
        """The members that the server lists without an entry, and those with other keys: by name, their present one."""
        recipients, held = reading
        ghosts, changed = [], {}
        listed = {device.username for device in recipients.devices} | set(recipients.without)
        names = {folded(member.username): user_id for user_id, member in held.log.members.items()}
        own = _identity(transaction).user_id
        for username in sorted(listed):
            user = self._users.user(transaction, username)
            user_id = user.user_id if user else names.get(folded(username))
            if user_id not in held.log.members:
                ghosts.append(username)
            elif (
                user is not None
                and user_id != own
                and trust_in_room(transaction, self._users, held, user.user_id, own) is Trust.CHANGED
            ):
                changed[user.username] = user.master
        return ghosts, changed

    async def _missing(self, room: EncryptedRoom, session: str, version: int) -> int:
        identity = await self._store.run(_identity)
        share = ShareKeys(id=0, room=room.name, device=identity.device_id, session=session, recipients=version)
        try:
            reply = await self._link().ask(share)
        except ChatError as refusal:
            if refusal.code is not Code.RECIPIENTS_STALE:
                raise
            return 1
        assert isinstance(reply, KeysShared)  # noqa: S101 - the reply of its command
        return reply.missing

    def _require_people(self, recipients: Recipients, people: Sequence[str]) -> None:
        """Raise `EncryptionWaits` if one of the two in a direct conversation has no device that can read."""
        present = {folded(device.username) for device in recipients.devices}
        without = {name for name in people if folded(name) not in present}
        if people and (without := without | set(recipients.without)):
            raise EncryptionWaits(WaitReason.NO_KEYS, tuple(sorted(without)))

    def _decision(
        self, transaction: StoreTransaction, room: EncryptedRoom, recipients: Recipients, held: HeldLog | None
    ) -> tuple[Decision, list[DeviceAddress]]:
        """Who gets the key, and with which of them there is no Olm session yet. `held`: the member log of a room."""
        identity = _identity(transaction)
        own = next(
            (device for device in recipients.devices if device.device == identity.device_id),
            None,
        )
        if own is None or folded(own.username) != folded(identity.username):
            raise EncryptionWaits(WaitReason.DEVICE_PENDING)
        if held is not None and identity.user_id not in held.log.members:
            raise EncryptionWaits(WaitReason.MEMBER_LOG_INVALID)
        people = set(map(folded, direct_names.people(room.name)))
        members, was_verified = {}, set()
        for username in {device.username for device in recipients.devices}:
            user = self._users.user(transaction, username)
            if user is None or (people and folded(username) not in people):
                continue
            trust: Trust | None = user.trust
            if held is not None:
                trust = trust_in_room(transaction, self._users, held, user.user_id, identity.user_id)
            if trust is None:
                continue
            members[username] = RecipientMember(trust, frozenset(user.devices), frozenset(user.removed))
            if user.was_verified:
                was_verified.add(username)
        decision = decide(
            recipients.devices,
            own,
            members,
            self._outbound_facts(transaction, room),
            closed_at=recipients.closed_at,
            direct=bool(people),
        )
        if decision.waits_for:
            verified = was_verified.intersection(decision.waits_for)
            reason = WaitReason.VERIFIED_KEYS_CHANGED if verified else WaitReason.KEYS_CHANGED
            raise EncryptionWaits(reason, tuple(sorted(verified)) or decision.waits_for)
        olm = OlmSessions(transaction, identity)
        devices = self._users.devices(transaction, decision.share)
        return decision, [address for address, device in devices.items() if not olm.has_session(device)]

    def _outbound_facts(self, transaction: StoreTransaction, room: EncryptedRoom) -> OutboundFacts | None:
        """What is known of the room's session; also those who were removed may have been given its key by others."""
        facts = room_sessions.outbound_facts(transaction, room.uid, self._now_ms())
        record = room_sessions.outbound(transaction, room.uid)
        if facts is None or record is None:
            return None
        since = self._logs.rows.entries(transaction, room.uid, record.began_log) if record.began_log else []
        return facts._replace(has_lost=any(entry.kind is MemberEntryKind.REMOVE for entry in since))

    def _require_keys(self, decision: Decision, failed: set[DeviceAddress], others: set[str]) -> None:
        """Raise `EncryptionWaits` if one of the others in a direct conversation would get no key at all."""
        given = {device.username for device in decision.share if device not in failed} | decision.holders
        names = set(map(folded, given))
        if without := {name for name in others if folded(name) not in names}:
            raise EncryptionWaits(WaitReason.NO_KEYS, tuple(sorted(without)))

    def _queue_share(
        self,
        transaction: StoreTransaction,
        room: EncryptedRoom,
        recipients: Recipients,
        decision: Decision,
        failed: set[DeviceAddress],
    ) -> str:
        """Queue the room's key for those who are to have it; returns the session."""
        identity = _identity(transaction)
        own = self._users.user(transaction, identity.username)
        record = room_sessions.outbound(transaction, room.uid)
        if record is None or decision.new_session:
            master = own.master if own else ""
            record = room_sessions.begin_outbound(transaction, room.uid, identity, master, self._now_ms())
            record.began_log = self._logs.rows.held(transaction, room.uid).seq
        olm = OlmSessions(transaction, identity, own.version if own else 0)
        content = room_sessions.room_key(record, room.uid)
        messages, withheld = [], list(decision.withheld)
        devices = self._users.devices(transaction, set(decision.share) - failed)
        for address in decision.share:
            device = devices.get(address)
            message = None if device is None else olm.encrypt(device, ROOM_KEY, content)
            if message is None:
                withheld.append(Withheld(*address, WithheldReason.NO_KEYS))
            else:
                messages.append(msgspec.structs.replace(message, to=address))
        if record.began_at is None:
            record.began_at = recipients.recipients
        room_sessions.put_outbound(transaction, room.uid, record)
        room_sessions.note_shared(transaction, room.uid, record, [message.to for message in messages])
        share = ShareKeys(
            id=0,
            room=room.name,
            device=identity.device_id,
            session=record.session,
            recipients=recipients.recipients,
        )
        to_device_queue.add_share(transaction, share, messages, withheld)
        return record.session


def _finish_share(transaction: StoreTransaction, uid: str, session: str, version: int, log: int, missing: int) -> None:
    """The session may be used for this version of the recipients; or the server has no record of some shares."""
    record = room_sessions.outbound(transaction, uid)
    if record is None or record.session != session:
        return
    if missing:
        room_sessions.forget_records(transaction, uid, session)
    else:
        record.ready, record.log = version, log
        room_sessions.put_outbound(transaction, uid, record)


def _identity(transaction: StoreTransaction) -> DeviceIdentity:
    identity = DeviceIdentity.load(transaction)
    assert identity is not None  # noqa: S101 - the device is set up before it encrypts
    return identity
