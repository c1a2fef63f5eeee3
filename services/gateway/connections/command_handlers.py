"""Handlers for all client commands, one method per command."""

from collections.abc import Callable
from typing import NoReturn, assert_never

import msgspec

from chatterbox.chassis.core.rate_limiter import RateLimiter
from chatterbox.wire import direct_names, frames, history_api, room_names
from chatterbox.wire.encryption.policy import EncryptionPolicy
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.limits import Limits
from chatterbox.wire.position import Position
from chatterbox.wire.rate_limits import READS
from services.gateway.connections.connection import AsyncCommand, Connection, ConnectionState
from services.gateway.connections.encryption_handlers import EncryptionHandlers
from services.gateway.connections.people_handlers import PeopleHandlers
from services.gateway.connections.send_handlers import SendHandlers
from services.gateway.connections.welcome import WelcomeSequence
from services.gateway.inboxes.inbox_feed import InboxFeed
from services.gateway.metrics import GatewayMetrics
from services.gateway.presence.live_people import LivePeople
from services.gateway.rooms import history_replies
from services.gateway.rooms.member import Member
from services.gateway.rooms.memberships import Memberships
from services.gateway.rooms.read_batcher import ReadBatcher, Report
from services.gateway.rooms.read_state_feed import ReadStateFeed
from services.gateway.rooms.room import Room
from services.gateway.rooms.room_feed import RoomFeed
from services.gateway.upstream.append_batcher import AppendBatcher
from services.gateway.upstream.encryption_client import EncryptionClient
from services.gateway.upstream.history_client import HistoryClient


class CommandHandlers:
    """Handles commands; a `ChatError` becomes the reply."""

    def __init__(
        self,
        *,
        limits: Limits,
        clock: Callable[[], float],
        welcome: WelcomeSequence,
        memberships: Memberships,
        feed: RoomFeed,
        history: HistoryClient,
        batcher: AppendBatcher,
        read_batcher: ReadBatcher,
        read_states: ReadStateFeed,
        people: LivePeople,
        encryption: EncryptionPolicy,
        encryption_client: EncryptionClient,
        inboxes: InboxFeed,
        metrics: GatewayMetrics | None = None,
    ) -> None:
        """`clock` is monotonic seconds."""
        metrics = metrics or GatewayMetrics()
        self._limits = limits
        self._clock = clock
        self._welcome = welcome
        self._memberships = memberships
        self._feed = feed
        self._history = history
        self._read_batcher = read_batcher
        self._read_states = read_states
        self._reads: RateLimiter[int] = RateLimiter(limits.rate(READS), name=READS.name)
        """Replies with messages, which may come from this gateway's memory, read positions, which it collects, and
        what devices ask about recipients and inboxes; history counts all others."""
        self._people = PeopleHandlers(
            people, self._reads, limits, clock, find_room=self._room, refuse_room=self._refuse_room
        )
        self._encryption = EncryptionHandlers(
            encryption, encryption_client, inboxes, self._reads, limits, clock, metrics, room_of=self._room_of
        )
        self._send = SendHandlers(
            limits, clock, batcher, metrics, find_room=self._room, refuse_room=self._refuse_room,
            open_direct=self._open_direct,
        ).handle  # fmt: skip

    def handle(self, connection: Connection, command: frames.Command) -> AsyncCommand | None:
        """Run `command`: at once, or return a coroutine that does."""
        if isinstance(command, frames.Connect):
            return self._welcome.connect(connection, command)
        if connection.state is ConnectionState.NEW or connection.member is None:
            raise ChatError(Code.TOKEN_MISSING, 'The first frame must be {"type": "connect", "token": ...}.')
        member = connection.member
        match command:
            case frames.Send():
                return self._send(connection, member, command)
            case frames.Edit() | frames.DeleteMessage() | frames.React() | frames.Pin():
                return self._send(connection, member, command)
            case frames.Ping():
                connection.send(frames.Pong(id=command.id))
                return None
            case frames.Join():
                return self._join(connection, member, command)
            case frames.ReadHistory():
                return self._page(connection, member, command)
            case frames.ReadChanges():
                return self._changes(connection, member, command)
            case frames.MarkRead():
                return self._mark_read(connection, member, command)
            case frames.Notify():
                return self._notify(connection, member, command)
            case frames.Watch() | frames.Look() | frames.TypingNow() | frames.SetStatus():
                return self._people.handle(connection, member, command)
            case frames.Leave():
                return self._leave(connection, member, command)
            case frames.ListRooms():
                return self._rooms(connection, member, command)
            case frames.CreateRoom():
                return self._create(connection, member, command)
            case frames.Direct():
                return self._direct(connection, member, command)
            case frames.Invite():
                return self._invite(connection, member, command)
            case frames.Remove():
                return self._remove(connection, member, command)
            case frames.DeleteRoom():
                return self._delete(connection, member, command)
            case frames.SetTopic():
                return self._set_topic(connection, member, command)
            case (
                frames.ReadRecipients()
                | frames.Claim()
                | frames.ShareKeys()
                | frames.SendToDevice()
                | frames.OpenInbox()
                | frames.Take()
            ):
                return self._encryption.handle(connection, member, command)
            case _:
                assert_never(command)

    def _room(self, member: Member, name: str) -> Room | None:
        return member.rooms.get(name) or member.find_room(room_names.address(name, self._limits))

    async def _room_of(self, member: Member, name: str) -> Room:
        room = self._room(member, name)
        if room is None:
            await self._refuse_room(member, name)
        return room

    async def _refuse_room(self, member: Member, name: str) -> NoReturn:
        """Raise `not_a_member` for a room visible to `member`, `room_unknown` for any other, existing or not."""
        await self._history.find(room_names.address(name, self._limits), member)
        raise ChatError(Code.NOT_A_MEMBER)

    async def _join(self, connection: Connection, member: Member, command: frames.Join) -> None:
        """Join a room. If the member's rooms change while history answers, the answer may be outdated: ask again."""
        self._reads.spend(member.user_id, self._clock())
        read = 0
        while True:
            version = member.rooms_version
            room = self._room(member, command.room)
            if room is None:
                name = room_names.address(command.room, self._limits)
                info = await self._history.join(name, member)
                room, read = await self._feed.open(info), info.head
            if command.since is not None and not room.covers(command.since):
                await self._feed.sync([room])
            reply = await history_replies.join_reply(
                self._history, self._feed.memory, room, member, command, self._limits.page_messages
            )
            if member.rooms_version == version:
                break
        self._memberships.enter(member, room, read=read, requester=connection)
        connection.send(reply)
        if connection in room.behind:  # it was in the room before: what it lacks is in the reply, or in pages
            held = room.held_changes.get(connection)  # the reply lacks the changes of what it held before
            room.detach(connection)
            room.attach(connection, reply.at.offset, held)

    async def _page(self, connection: Connection, member: Member, command: frames.ReadHistory) -> None:
        self._reads.spend(member.user_id, self._clock())
        room = await self._room_of(member, command.room)
        room.note_page(connection)
        connection.send(await history_replies.history_reply(self._history, room, member, command))

    async def _changes(self, connection: Connection, member: Member, command: frames.ReadChanges) -> None:
        self._reads.spend(member.user_id, self._clock())
        room = await self._room_of(member, command.room)
        connection.send(await history_replies.changes_reply(self._history, room, member, command))

    def _mark_read(self, connection: Connection, member: Member, command: frames.MarkRead) -> AsyncCommand | None:
        room = self._room(member, command.room)
        if room is None:
            return self._refuse_room(member, command.room)
        self._reads.spend(member.user_id, self._clock())
        position = history_api.ReadPosition(room.room_id, member.user_id, command.offset, command.turn)
        self._read_batcher.put(Report(connection, command.id, room.name), position)
        return None

    async def _notify(self, connection: Connection, member: Member, command: frames.Notify) -> None:
        room = await self._room_of(member, command.room)
        with self._read_states.hold(connection, member, room.room_id):
            state = await self._history.set_notify(room.name, member, command.level, command.until)
            connection.send(frames.NotifySet(id=command.id, room=room.name, level=state.notify, until=state.until))

    async def _leave(self, connection: Connection, member: Member, command: frames.Leave) -> None:
        room = await self._room_of(member, command.room)
        deleted = False
        while member.rooms.get(room.name) is room:
            version = member.rooms_version
            deleted = await self._leave_in_history(room, member, command)
            if deleted or member.rooms_version == version:  # otherwise the member may have joined again since
                self._memberships.leave(member, room, by=member.username, deleted=deleted)
        connection.send(frames.Left(id=command.id, room=room.name, deleted=deleted))

    async def _leave_in_history(self, room: Room, member: Member, command: frames.Leave) -> bool:
        """Returns whether the room was deleted, now or by an earlier call whose answer was lost."""
        try:
            left = await self._history.leave(room.name, member, delete=command.delete, entry=command.entry or None)
        except ChatError as problem:
            if problem.code is Code.ROOM_UNKNOWN and command.delete:
                return True
            raise
        return left.deleted

    async def _rooms(self, connection: Connection, member: Member, command: frames.ListRooms) -> None:
        page = await self._history.rooms(member, command.after)
        rooms = [_summary(room) for room in page.rooms]
        connection.send(frames.RoomList(id=command.id, rooms=rooms, next=page.next))

    async def _create(self, connection: Connection, member: Member, command: frames.CreateRoom) -> None:
        name = room_names.room_name(command.room, self._limits)
        info = await self._history.create(name, member, private=command.private, entry=command.entry or None)
        room = await self._feed.open(info)
        self._memberships.enter(member, room, requester=connection)
        room.flush()
        created = frames.Created(
            id=command.id, room=room.name, private=room.private, at=room.at, uid=room.uid or msgspec.UNSET
        )
        connection.send(created)

    async def _direct(self, connection: Connection, member: Member, command: frames.Direct) -> None:
        encrypted = None if command.encrypted is msgspec.UNSET else command.encrypted
        room = await self._open_direct(member, command.username, encrypted=encrypted, requester=connection)
        room.flush()
        people = direct_names.people(room.name)
        connection.send(
            frames.DirectOpened(
                id=command.id, room=room.name, with_=people, at=room.at, encrypted=room.encrypted, uid=room.uid
            )
        )

    async def _open_direct(
        self, member: Member, username: str, *, encrypted: bool | None, requester: Connection | None = None
    ) -> Room:
        """The direct conversation of a member with a user; every connection but `requester` is told if it is new."""
        room = await self._feed.open(await self._history.open_direct(member, username, encrypted=encrypted))
        self._memberships.enter(member, room, by=member.username, requester=requester)
        return room

    async def _invite(self, connection: Connection, member: Member, command: frames.Invite) -> None:
        room = await self._room_of(member, command.room)
        username = await self._history.invite(room.name, member, command.username, command.entry or None)
        connection.send(frames.Invited(id=command.id, room=room.name, username=username))

    async def _remove(self, connection: Connection, member: Member, command: frames.Remove) -> None:
        room = await self._room_of(member, command.room)
        username = await self._history.remove(room.name, member, command.username, command.entry or None)
        connection.send(frames.Removed(id=command.id, room=room.name, username=username))

    async def _delete(self, connection: Connection, member: Member, command: frames.DeleteRoom) -> None:
        room = await self._room_of(member, command.room)
        await self._history.delete_room(room.name, member)
        self._memberships.leave(member, room, by=member.username, deleted=True)
        connection.send(frames.DeletedRoom(id=command.id, room=room.name))

    async def _set_topic(self, connection: Connection, member: Member, command: frames.SetTopic) -> None:
        room = await self._room_of(member, command.room)
        topic = await self._history.change_topic(room.name, member, command.topic, command.recipients or 0)
        connection.send(frames.TopicSet(id=command.id, room=room.name, topic=topic))


def _summary(room: history_api.VisibleRoom) -> frames.RoomSummary:
    return frames.RoomSummary(
        room=room.room,
        private=room.private,
        member=room.member,
        members=room.members,
        at=Position(room.epoch, room.head),
        topic=room.topic,
        encrypted=room.encrypted,
        uid=room.uid,
        **direct_names.fields(room.room),
    )
