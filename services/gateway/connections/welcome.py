"""Welcomes an accepted connection: verifies the token, loads memberships, and fixes where each room's pushes begin."""

import asyncio
import logging
from collections.abc import Mapping

from chatterbox.chassis.pacing import PacedQueue
from chatterbox.chassis.token_verifier import TokenVerifier
from chatterbox.wire import direct_names, frames, rate_limits
from chatterbox.wire.auth_api import Claims
from chatterbox.wire.close_codes import CloseCode
from chatterbox.wire.encryption.policy import DEFAULT_POLICY, EncryptionPolicy
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.position import Position, ResumePoint
from chatterbox.wire.read_state import ReadState
from chatterbox.wire.text_rules import timestamp
from services.gateway.connections.connection import AsyncCommand, Connection, ConnectionState
from services.gateway.connections.hub import Hub
from services.gateway.inboxes.inbox_feed import InboxFeed
from services.gateway.metrics import GatewayMetrics
from services.gateway.presence.live_people import LivePeople
from services.gateway.rooms import read_state_feed
from services.gateway.rooms.catch_up import CatchUp
from services.gateway.rooms.member import Member
from services.gateway.rooms.memberships import Memberships
from services.gateway.rooms.read_state_feed import ReadStateFeed
from services.gateway.rooms.room import HeldChanges, Room
from services.gateway.rooms.room_feed import RoomFeed

log = logging.getLogger("chatterbox.welcome")

WELCOMES_PER_TURN = rate_limits.WELCOMES_PER_TURN.bound.limit
"""Connections that are welcomed per event-loop turn: less than a millisecond's work."""
UNKNOWN = ReadState()
"""Fields with these values are not sent: what history did not tell."""
_CLOSE_CODES = {
    Code.SESSION_ENDED: CloseCode.SESSION_ENDED,
    Code.TOKEN_EXPIRED: CloseCode.TOKEN_EXPIRED,
    Code.TOKEN_INVALID: CloseCode.TOKEN_REFUSED,
    Code.TOKEN_MISSING: CloseCode.TOKEN_REFUSED,
    Code.TOO_MANY_CONNECTIONS: CloseCode.TOO_MANY_CONNECTIONS,
}


class WelcomeSequence:
    """Welcomes connections; `server` is the name of this gateway in the `welcome` frame."""

    def __init__(
        self,
        hub: Hub,
        verifier: TokenVerifier,
        memberships: Memberships,
        feed: RoomFeed,
        catch_up: CatchUp,
        read_states: ReadStateFeed,
        people: LivePeople,
        inboxes: InboxFeed,
        *,
        server: str,
        ping_s: float,
        encryption: EncryptionPolicy = DEFAULT_POLICY,
        metrics: GatewayMetrics | None = None,
    ) -> None:
        self._hub = hub
        self._verifier = verifier
        self._memberships = memberships
        self._feed = feed
        self._catch_up = catch_up
        self._read_states = read_states
        self._people = people
        self._inboxes = inboxes
        self._server = server
        self._ping_s = ping_s
        self._encryption = encryption.value
        self._turns = PacedQueue(WELCOMES_PER_TURN)
        self._refused = (metrics or GatewayMetrics()).handshakes_refused

    def begin(self, connection: Connection, token: str | None) -> None:
        """Welcome a connection that has just been accepted; without a token, wait for its `connect` frame."""
        if token is not None:
            connection.start_welcome(self._run(connection, token, {}))
        else:
            asyncio.get_running_loop().call_later(self._hub.limits.connect_s, _time_out, connection)

    def connect(self, connection: Connection, command: frames.Connect) -> AsyncCommand | None:
        """Handle `connect`: the first frame, or the renewed token of an open connection."""
        if connection.state is ConnectionState.NEW:
            connection.start_welcome(self._run(connection, command.token, command.resume))
            return None
        return self._renew(connection, command)

    async def _run(self, connection: Connection, token: str, resume: Mapping[str, ResumePoint]) -> None:
        try:
            claims = await self._verifier.verify(token)
            if connection.state is ConnectionState.CLOSED:
                return
            member = self._hub.identify(connection, claims)
            with self._read_states.collect(member.user_id) as told:
                loaded = await (self._read_states if member.is_loaded else self._memberships).load(member)
                await self._turns.wait_turn()
                await self._sync_rooms(member, resume)
                if connection.state is ConnectionState.WELCOMING:
                    self._welcome(connection, member, claims, resume, read_state_feed.newest(loaded, told))
        except ChatError as problem:
            self._refused.inc(problem.code)
            connection.refuse(problem, None)
            connection.close(_CLOSE_CODES.get(problem.code, CloseCode.UNAVAILABLE))

    async def _sync_rooms(self, member: Member, resume: Mapping[str, ResumePoint]) -> None:
        """Bring every room of the same epoch up to the client's position, including rooms entered meanwhile."""
        synced: dict[Room, None] = {}
        while beyond := [
            room
            for name, at in resume.items()
            if (room := member.rooms.get(name)) and room not in synced and not room.covers(at)
        ]:
            await self._feed.sync(beyond)
            synced |= dict.fromkeys(beyond)

    def _welcome(
        self,
        connection: Connection,
        member: Member,
        claims: Claims,
        resume: Mapping[str, ResumePoint],
        reads: Mapping[int, ReadState],
    ) -> None:
        """Send where each room stands, then subscribe: in one event-loop turn, so that no message is missed."""
        rooms = list(member.rooms.values())
        if any(self._feed.rooms.get(room.room_id) is not room for room in rooms):
            raise ChatError(Code.UNAVAILABLE, "A room has just been restored. Reconnect.", retry_after_s=0.5)
        valid = [_valid(room, resume.get(room.name)) for room in rooms]
        states = [
            _room_state(room, held, reads.get(room.room_id), reset=held is None and room.name in resume)
            for room, held in zip(rooms, valid, strict=True)
        ]
        connection.open(on_writable=self._on_writable)
        self._people.open(connection, member, claims.sid)
        connection.send(
            frames.Welcome(
                username=member.username,
                session=claims.sid,
                connection=connection.connection_id,
                server=self._server,
                limits=self._hub.limits,
                ping_s=self._ping_s,
                rooms=states,
                invitations=[frames.PendingInvitation(room=room, by=by) for room, by in member.invitations.items()],
                encryption=self._encryption,
            )
        )
        for room, state, held in zip(rooms, states, valid, strict=True):
            room.attach(connection, state.at.offset, _held_changes(held))
        self._catch_up.start(connection)
        log.debug("connection.opened", extra={"connection": connection.connection_id, "user_id": member.user_id})

    def _on_writable(self, connection: Connection) -> None:
        self._read_states.send_missed(connection)
        self._people.send_missed(connection)
        self._inboxes.resume(connection)
        self._catch_up.start(connection)

    async def _renew(self, connection: Connection, command: frames.Connect) -> None:
        if command.id is None:
            raise ChatError(Code.BAD_FRAME, "On an open connection, `connect` needs an id for its reply.")
        claims = await self._verifier.verify(command.token)
        if connection.claims is None or claims.sid != connection.claims.sid:
            raise ChatError(Code.ALREADY_CONNECTED)
        connection.renew(claims)
        connection.send(frames.Reconnected(id=command.id, expires=timestamp(claims.exp * 1000)))


def _valid(room: Room, held: ResumePoint | None) -> ResumePoint | None:
    """What the client holds, if it is of this epoch and not beyond the room."""
    return held if held is not None and room.covers(held) else None


def _held_changes(held: ResumePoint | None) -> HeldChanges | None:
    return HeldChanges(held.rev, held.first) if held is not None and held.rev is not None else None


def _room_state(room: Room, held: ResumePoint | None, read: ReadState | None, *, reset: bool) -> frames.RoomState:
    """The position and rev after which pushes follow (the client's, if they are valid), and how far it is read."""
    stream = room.opened
    head = stream.head
    people = direct_names.people(room.name)
    known = UNKNOWN if read is None else read
    return frames.RoomState(  # without dictionaries of fields: they would take as long as all the rest
        room=room.name,
        at=Position(stream.epoch, read_state_feed.first_push(head, read) if held is None else held.offset),
        head=head,
        private=room.private,
        reset=reset,
        topic=room.topic or "",
        rev=room.rev if held is None or held.rev is None else held.rev,
        kind=direct_names.KIND if people else "",
        with_=people,
        read=known.read,
        turn=known.turn,
        unread=known.unread,
        mentions=known.mentions,
        counted=known.counted,
        notify=known.notify,
        until=known.until,
        encrypted=room.encrypted,
        uid=room.uid,
    )


def _time_out(connection: Connection) -> None:
    if connection.state is ConnectionState.NEW:
        connection.close(CloseCode.CONNECT_TIMEOUT)
