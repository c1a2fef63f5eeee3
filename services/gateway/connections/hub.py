"""Registry of a gateway's connections and of the users and login sessions they belong to; connection limits. No I/O."""

from collections import Counter
from collections.abc import Callable, Collection

from chatterbox.chassis.core.token_bucket import TokenBucket
from chatterbox.wire.auth_api import Claims
from chatterbox.wire.close_codes import CloseCode
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.limits import Limits
from services.gateway.connections.connection import Connection
from services.gateway.metrics import GatewayMetrics
from services.gateway.rooms.member import Member


class Hub:
    """The registry of one gateway."""

    def __init__(
        self,
        limits: Limits,
        max_connections: int,
        clock: Callable[[], float],
        metrics: GatewayMetrics | None = None,
    ) -> None:
        """`clock` is monotonic seconds."""
        self.limits = limits
        self.clock = clock
        self.connections: set[Connection] = set()
        self.members: dict[int, Member] = {}
        """Users with a connection, by id."""
        self._max_connections = max_connections
        self._sessions: dict[str, set[Connection]] = {}
        self._addresses: Counter[str] = Counter()
        metrics = metrics or GatewayMetrics()
        metrics.connections.set_function(lambda: len(self.connections))
        metrics.members.set_function(lambda: len(self.members))

    def admit(self, address: str) -> None:
        """Refuse a connection beyond a limit, before any work is done for it; raises `too_many_connections`."""
        if len(self.connections) >= self._max_connections:
            raise ChatError(Code.TOO_MANY_CONNECTIONS, "This gateway is full. Try again.", retry_after_s=5)
        limit = self.limits.connections_per_address
        if self._addresses[address] >= limit:
            raise ChatError(Code.TOO_MANY_CONNECTIONS, f"At most {limit} connections per address.", retry_after_s=5)

    def add(self, connection: Connection) -> None:
        self.connections.add(connection)
        self._addresses[connection.address] += 1

    def identify(self, connection: Connection, claims: Claims) -> Member:
        """Register the user of a connection; raises `too_many_connections`."""
        member = self.members.get(claims.user_id)
        if member is None:
            sends = TokenBucket.full(self.limits.sends_per_s, self.limits.sends_burst, self.clock())
            member = self.members[claims.user_id] = Member(claims.user_id, claims.name, sends)
        elif len(member.connections) >= self.limits.connections_per_user:
            limit = self.limits.connections_per_user
            raise ChatError(Code.TOO_MANY_CONNECTIONS, f"At most {limit} connections per user.", retry_after_s=5)
        connection.identify(member, claims)
        member.add_connection(connection)
        self._sessions.setdefault(claims.sid, set()).add(connection)
        return member

    def remove(self, connection: Connection) -> None:
        """Forget a closed connection, and its user if it was the last one."""
        self.connections.discard(connection)
        self._addresses[connection.address] -= 1
        if not self._addresses[connection.address]:
            del self._addresses[connection.address]
        member, claims = connection.member, connection.claims
        if member is not None and claims is not None:
            self._leave_session(connection, claims.sid)
            self._leave_member(connection, member)

    def _leave_session(self, connection: Connection, sid: str) -> None:
        others = self._sessions[sid]
        others.discard(connection)
        if not others:
            del self._sessions[sid]

    def _leave_member(self, connection: Connection, member: Member) -> None:
        member.remove_connection(connection)
        for room in member.rooms.values():
            room.detach(connection)
            room.note_idle(self.clock())
        if not member.connections:
            self.members.pop(member.user_id, None)

    def end_sessions(self, sids: Collection[str]) -> None:
        """Close every connection of login sessions that have ended; most of them have none here."""
        for sid in [sid for sid in sids if sid in self._sessions]:
            for connection in tuple(self._sessions.get(sid, ())):
                connection.close(CloseCode.SESSION_ENDED)
