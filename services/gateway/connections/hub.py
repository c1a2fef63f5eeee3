"""Who is here: connections, the users and sessions they belong to, the rooms that are open. No I/O."""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from chatterbox.chassis.core.token_bucket import TokenBucket
from chatterbox.wire.auth_api import Claims
from chatterbox.wire.close_codes import CloseCode
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.limits import Limits
from services.gateway.connections.member import Member

if TYPE_CHECKING:
    from services.gateway.connections.connection import Connection
    from services.gateway.rooms.room import Room


class Hub:
    """The registry of one gateway."""

    def __init__(self, limits: Limits, most_connections: int, clock: Callable[[], float]) -> None:
        self.limits = limits
        self.clock = clock
        self.connections: set[Connection] = set()
        self.members: dict[int, Member] = {}
        self.rooms: dict[int, Room] = {}
        self._most_connections = most_connections
        self._sessions: dict[str, set[Connection]] = {}
        self._addresses: Counter[str] = Counter()

    def admit(self, address: str) -> None:
        """Refuse a connection that would be one too many, before anything is spent on it."""
        if len(self.connections) >= self._most_connections:
            raise ChatError(Code.TOO_MANY_CONNECTIONS, "This gateway is full; try again.", retry_after_s=5)
        most = self.limits.connections_per_address
        if self._addresses[address] >= most:
            raise ChatError(Code.TOO_MANY_CONNECTIONS, f"At most {most} connections from one address.", retry_after_s=5)

    def add(self, connection: "Connection") -> None:
        self.connections.add(connection)
        self._addresses[connection.address] += 1

    def identify(self, connection: "Connection", claims: Claims) -> Member:
        """Count a connection as its user's; raises `too_many_connections`."""
        member = self.members.get(claims.user_id)
        if member is None:
            sends = TokenBucket.full(self.limits.sends_per_s, self.limits.sends_burst, self.clock())
            member = self.members[claims.user_id] = Member(claims.user_id, claims.name, sends)
        elif len(member.connections) >= self.limits.connections_per_user:
            most = self.limits.connections_per_user
            raise ChatError(Code.TOO_MANY_CONNECTIONS, f"At most {most} connections of one user.", retry_after_s=5)
        connection.claims = claims
        connection.member = member
        member.connections.add(connection)
        self._sessions.setdefault(claims.sid, set()).add(connection)
        return member

    def remove(self, connection: "Connection") -> None:
        """Forget a connection that is over, and its user if it was the last."""
        self.connections.discard(connection)
        self._addresses[connection.address] -= 1
        if not self._addresses[connection.address]:
            del self._addresses[connection.address]
        member, claims = connection.member, connection.claims
        if member is not None and claims is not None:
            self._leave_session(connection, claims.sid)
            self._leave_member(connection, member)

    def _leave_session(self, connection: "Connection", sid: str) -> None:
        others = self._sessions[sid]
        others.discard(connection)
        if not others:
            del self._sessions[sid]

    def _leave_member(self, connection: "Connection", member: Member) -> None:
        member.connections.discard(connection)
        for room in member.rooms.values():
            room.detach(connection)
            if room.is_idle:
                room.idle_since_s = self.clock()
        if not member.connections:
            self.members.pop(member.user_id, None)

    def end_session(self, sid: str) -> None:
        """Close every socket of a login session that is over."""
        for connection in tuple(self._sessions.get(sid, ())):
            connection.close(CloseCode.SESSION_ENDED)

    def close_room(self, room: "Room", code: CloseCode) -> None:
        """Close every connection that is subscribed to a room: they must come back and see how it stands."""
        for connection in (*room.live, *room.behind):
            connection.close(code)

    def idle_rooms(self, before_s: float) -> Iterator["Room"]:
        """Rooms that nobody here has been in since `before_s`."""
        for room in tuple(self.rooms.values()):
            if room.is_idle and room.stream is not None and room.idle_since_s < before_s:
                yield room
