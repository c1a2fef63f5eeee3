"""Handlers for the commands about people: whom a connection watches, which room it shows, typing, and away."""

from collections.abc import Callable, Coroutine
from typing import Any, NoReturn, TypeAlias, assert_never

from chatterbox.chassis.core.rate_limiter import RateLimiter
from chatterbox.wire import frames
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.limits import Limits
from chatterbox.wire.rate_limits import HINTS
from services.gateway.connections.connection import AsyncCommand, Connection
from services.gateway.presence.live_people import LivePeople
from services.gateway.rooms.member import Member
from services.gateway.rooms.room import Room

PeopleCommand: TypeAlias = frames.Watch | frames.Look | frames.TypingNow | frames.SetStatus


class PeopleHandlers:
    """Handles commands of welcomed connections; a `ChatError` becomes the reply."""

    def __init__(
        self,
        people: LivePeople,
        reads: RateLimiter[int],
        limits: Limits,
        clock: Callable[[], float],
        *,
        find_room: Callable[[Member, str], Room | None],
        refuse_room: Callable[[Member, str], Coroutine[Any, Any, NoReturn]],
    ) -> None:
        """`reads` counts what this gateway asks history for on its own; `clock` is monotonic seconds.

        `refuse_room` raises the error about a room that a user is not in.
        """
        self._people = people
        self._reads = reads
        self._hints: RateLimiter[int] = RateLimiter(HINTS.bound, name=HINTS.name)
        self._limits = limits
        self._clock = clock
        self._find_room = find_room
        self._refuse_room = refuse_room

    def handle(self, connection: Connection, member: Member, command: PeopleCommand) -> AsyncCommand | None:
        """Run `command`: at once, or return a coroutine that does."""
        match command:
            case frames.Watch():
                return self._watch(connection, member, command)
            case frames.Look():
                return self._look(connection, member, command)
            case frames.TypingNow():
                self._hints.spend(member.user_id, self._clock())
                if (room := self._find_room(member, command.room)) is None:
                    return self._refuse_room(member, command.room)
                self._people.type(member, room)
            case frames.SetStatus():
                self._hints.spend(member.user_id, self._clock())
                self._people.set_away(connection, member, away=command.away)
            case _:
                assert_never(command)
        _note(connection, command)
        return None

    async def _watch(self, connection: Connection, member: Member, command: frames.Watch) -> None:
        if len(command.usernames) > self._limits.watch_people:
            detail = f"At most {self._limits.watch_people} users can be watched."
            raise ChatError(Code.BAD_FRAME, detail)
        connection.send(await self._people.watch(connection, member, command))

    def _look(self, connection: Connection, member: Member, command: frames.Look) -> AsyncCommand | None:
        room = None
        if command.room:
            if (room := self._find_room(member, command.room)) is None:
                return self._refuse_room(member, command.room)
            self._reads.spend(member.user_id, self._clock())
        _note(connection, command)
        self._people.look(connection, room)
        return None


def _note(connection: Connection, command: frames.Hint) -> None:
    """Reply to a command that has an `id`."""
    if command.id is not None:
        connection.send(frames.Noted(id=command.id))
