"""Connections of users at one gateway, without sockets: what each is written can be read."""

from chatterbox.chassis.core.token_bucket import TokenBucket
from chatterbox.chassis.tasks import TaskSet
from chatterbox.wire import frames
from chatterbox.wire.auth_api import Claims
from chatterbox.wire.limits import Limits
from services.gateway.connections.connection import Connection
from services.gateway.rooms.member import Member
from tests.support.recording_socket import RecordingSocket


class Device:
    """A welcomed connection of a user."""

    def __init__(self, member: Member, sid: str = "s") -> None:
        self.socket = RecordingSocket()
        self.member = member
        self.sid = sid
        self.connection = Connection(
            self.socket, "::1", "c", Limits(), lambda: 0.0, lambda *_: None, lambda _: None, TaskSet()
        )
        claims = Claims(sub=str(member.user_id), name=member.username, sid=sid, jti="s", iat=0, exp=10**10)
        self.connection.identify(member, claims)
        self.connection.open(lambda _: None)
        member.add_connection(self.connection)

    def take(self) -> list[frames.ServerFrame]:
        """The frames written since the last call."""
        found = self.socket.frames
        self.socket.written.clear()
        return found

    def fill(self) -> None:
        """Its socket accepts nothing more for now."""
        self.connection.on_full()

    def drain(self) -> None:
        self.connection.on_drained()


def user(user_id: int, username: str) -> Member:
    return Member(user_id, username, TokenBucket.full(1, 1, 0))
