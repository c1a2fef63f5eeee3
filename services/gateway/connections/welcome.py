"""From an accepted socket to a welcomed connection: token, memberships, and where each room's pushes begin."""

import asyncio
import logging

from chatterbox.chassis.token_verifier import TokenVerifier
from chatterbox.wire import frames
from chatterbox.wire.auth_api import Claims
from chatterbox.wire.close_codes import CloseCode
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.position import Position
from chatterbox.wire.text_rules import timestamp
from services.gateway.connections.connection import Connection, ConnectionState, Later
from services.gateway.connections.hub import Hub
from services.gateway.connections.member import Member
from services.gateway.connections.pacing import PacedQueue
from services.gateway.metrics import GatewayMetrics
from services.gateway.rooms.catch_up import CatchUp
from services.gateway.rooms.memberships import Memberships
from services.gateway.rooms.room import Room
from services.gateway.rooms.room_feed import RoomFeed

log = logging.getLogger("chatterbox.welcome")

ARRIVALS = 2
"""Connections that are welcomed in one turn of the event loop: less than a millisecond's work."""
_CLOSE_CODES = {
    Code.SESSION_ENDED: CloseCode.SESSION_ENDED,
    Code.TOKEN_EXPIRED: CloseCode.TOKEN_EXPIRED,
    Code.TOKEN_INVALID: CloseCode.TOKEN_REFUSED,
    Code.TOKEN_MISSING: CloseCode.TOKEN_REFUSED,
    Code.TOO_MANY_CONNECTIONS: CloseCode.TOO_MANY_CONNECTIONS,
}


class WelcomeSequence:
    """Greets connections; `server` is this gateway's name as clients are told it."""

    def __init__(
        self,
        hub: Hub,
        verifier: TokenVerifier,
        memberships: Memberships,
        feed: RoomFeed,
        catch_up: CatchUp,
        *,
        server: str,
        ping_s: float,
        metrics: GatewayMetrics | None = None,
    ) -> None:
        self._hub = hub
        self._verifier = verifier
        self._memberships = memberships
        self._feed = feed
        self._catch_up = catch_up
        self._server = server
        self._ping_s = ping_s
        self._arrivals = PacedQueue(ARRIVALS)
        self._refused = (metrics or GatewayMetrics()).handshakes_refused

    def begin(self, connection: Connection, token: str | None) -> None:
        """Greet a connection that has just been accepted; without a token, wait for its `connect` frame."""
        if token is not None:
            self._greet_soon(connection, token, {})
        else:
            asyncio.get_running_loop().call_later(self._hub.limits.connect_s, _give_up, connection)

    def connect(self, connection: Connection, command: frames.Connect) -> Later | None:
        """Carry out `connect`: the first frame, or the renewed token of a connection that is open."""
        if connection.state is ConnectionState.NEW:
            self._greet_soon(connection, command.token, command.resume)
            return None
        return self._renew(connection, command)

    def _greet_soon(self, connection: Connection, token: str, resume: dict[str, Position]) -> None:
        connection.state = ConnectionState.GREETING
        connection.occupy(self._greet(connection, token, resume), None)

    async def _greet(self, connection: Connection, token: str, resume: dict[str, Position]) -> None:
        try:
            claims = await self._verifier.verify(token)
            if connection.state is ConnectionState.CLOSED:
                return
            member = self._hub.identify(connection, claims)
            if not member.is_loaded:
                await self._memberships.load(member)
            await self._arrivals.come()
            await self._reach(member, resume)
            if connection.state is ConnectionState.GREETING:
                self._welcome(connection, member, claims, resume)
        except ChatError as problem:
            self._refused.inc(problem.code)
            connection.refuse(problem, None)
            connection.close(_CLOSE_CODES.get(problem.code, CloseCode.UNAVAILABLE))

    async def _reach(self, member: Member, resume: dict[str, Position]) -> None:
        """Bring every room as far as the position held, where its history is the same; also one entered meanwhile."""
        asked: list[Room] = []
        while beyond := [
            room
            for name, at in resume.items()
            if (room := member.rooms.get(name)) and room not in asked and not room.reaches(at)
        ]:
            await self._feed.reach(beyond)
            asked += beyond

    def _welcome(self, connection: Connection, member: Member, claims: Claims, resume: dict[str, Position]) -> None:
        """Say where each room stands, then subscribe: in one turn of the event loop, so that nothing is missed."""
        rooms = list(member.rooms.values())
        if any(self._hub.rooms.get(room.room_id) is not room for room in rooms):
            raise ChatError(Code.UNAVAILABLE, "A room was restored this moment; come back.", retry_after_s=0.5)
        states = [_room_state(room, resume.get(room.name)) for room in rooms]
        connection.state = ConnectionState.OPEN
        connection.on_writable = self._catch_up.start
        connection.send(
            frames.Welcome(
                username=member.username,
                session=claims.sid,
                connection=connection.connection_id,
                server=self._server,
                limits=self._hub.limits,
                ping_s=self._ping_s,
                rooms=states,
            )
        )
        for room, state in zip(rooms, states, strict=True):
            room.attach(connection, state.at.offset)
        self._catch_up.start(connection)
        log.debug("connection.opened", extra={"connection": connection.connection_id, "user_id": member.user_id})

    async def _renew(self, connection: Connection, command: frames.Connect) -> None:
        if command.id is None:
            raise ChatError(Code.BAD_FRAME, "A connect on an open connection needs an id, so that it can be answered.")
        claims = await self._verifier.verify(command.token)
        if connection.claims is None or claims.sid != connection.claims.sid:
            raise ChatError(Code.ALREADY_CONNECTED)
        connection.claims = claims
        connection.send(frames.Reconnected(id=command.id, expires=timestamp(claims.exp * 1000)))


def _room_state(room: Room, held: Position | None) -> frames.RoomState:
    """From where pushes follow: the position held if it is one of this history, else the head."""
    at = room.at
    known = held is not None and room.reaches(held)
    return frames.RoomState(
        room=room.name,
        at=held if known and held is not None else at,
        head=at.offset,
        private=room.private,
        reset=held is not None and not known,
        topic=room.topic or "",
    )


def _give_up(connection: Connection) -> None:
    if connection.state is ConnectionState.NEW:
        connection.close(CloseCode.CONNECT_TIMEOUT)
