"""A simulated client: it sends with keys, sends again what was not answered, resumes by position on any gateway.

It writes down all that it did and saw, as the checker of the fault suite wants to know it.
"""

import itertools
from collections import deque
from collections.abc import Callable
from random import Random

from chatterbox.wire import frames
from chatterbox.wire.close_codes import may_return
from chatterbox.wire.errors import MEANINGS, Code
from chatterbox.wire.position import Position
from services.gateway.transport.live_socket import LOST
from tests.chaos import operations
from tests.simulation.holding import Holding
from tests.simulation.line import Desk, Line, Said
from tests.simulation.people import Person

PATIENCE_S = 4.0
"""Without an answer for so long, a reader hangs up and tries another gateway (seconds)."""
PAUSE_S = (0.01, 0.3)
"""Until it tries again (seconds)."""
MOST_IN_FLIGHT = 3
PAGE_MESSAGES = 5


class Reader:
    """One client, over all its connections."""

    def __init__(self, name: str, person: Person, desk: Desk, chance: Random) -> None:
        self.name = name
        self.person = person
        self.held: dict[str, Holding] = {}
        self.rooms: set[str] = set()
        """Those whose messages this connection is told, as far as it knows."""
        self.outbox: deque[Said] = deque()
        self.line: Line | None = None
        self.is_over = False
        """Whether it was told not to come back."""
        self._desk = desk
        self._loop = desk.loop
        self._chance = chance
        self._lines = itertools.count(1)
        self._said = itertools.count(1)
        self._rests_until_s = 0.0

    # What it does

    def dial(self) -> None:
        """Connect to some gateway, and resume; until one takes it, try again."""
        line = Line(self, f"{self.name}.{next(self._lines)}", sign_of_life_s=self._loop.time())
        line.asked = {room: holding.at for room, holding in self.held.items()}
        by_header = not line.asked and self._chance.random() < 0.5
        line.socket = self._desk.dial(line, self._chance, self.person.token if by_header else None)
        if line.socket is None:
            self._dial_soon()
            return
        self.line = line
        self.rooms = set()
        if not by_header:
            line.command(frames.Connect(token=self.person.token, resume=line.asked))

    def _dial_soon(self) -> None:
        self._loop.call_later(self._chance.uniform(*PAUSE_S), self.dial)

    def cut(self) -> None:
        """Lose the line, without a close frame."""
        if self.line is not None:
            assert self.line.socket is not None
            self.line.socket.cut()
            self.lost(self.line, LOST)

    def look_at_the_clock(self) -> None:
        """Hang up on a gateway that does not answer."""
        line = self.line
        if line is not None and line.owes_us and self._loop.time() - line.sign_of_life_s > PATIENCE_S:
            self.cut()

    def say(self, room: str, filling: int = 0) -> None:
        self.outbox.append(Said(room, f"{self.name}-{next(self._said)} {'x' * filling}".strip()))
        self.advance()

    def advance(self) -> None:
        """Send what waits in the outbox, a few at a time."""
        line = self.line
        while (
            line is not None and line.is_welcome and self.outbox and len(line.in_flight) < MOST_IN_FLIGHT
            and self._loop.time() >= self._rests_until_s
        ):  # fmt: skip
            said = self.outbox.popleft()
            number = next(line.ids)
            if not line.in_flight:
                line.sign_of_life_s = self._loop.time()
            line.in_flight[number] = said
            self._desk.note(
                operations.Invoked(
                    at_s=self._loop.time(), connection=line.name, room=said.room, username=self.person.username,
                    content=said.content,
                )
            )  # fmt: skip
            line.command(frames.Send(id=number, room=said.room, content=said.content, key=said.key))

    def ask(self, make: Callable[[int], frames.Command]) -> None:
        """Give another command, one at a time."""
        line = self.line
        if line is not None and line.is_welcome and not line.waiting:
            number = next(line.ids)
            line.waiting[number] = make(number)
            line.sign_of_life_s = self._loop.time()
            line.command(line.waiting[number])

    def join(self, room: str) -> None:
        held = self.held.get(room)
        self.ask(lambda number: frames.Join(id=number, room=room, since=held.at if held is not None else None))

    def leave(self, room: str) -> None:
        self.ask(lambda number: frames.Leave(id=number, room=room))

    def read(self, room: str, *, after: int | None = None, before: int | None = None) -> None:
        self.ask(
            lambda number: frames.ReadHistory(id=number, room=room, after=after, before=before, limit=PAGE_MESSAGES)
        )

    # What comes

    def came(self, line: Line, frame: frames.ServerFrame) -> None:
        if line is not self.line:
            return
        line.sign_of_life_s = self._loop.time()
        if not line.is_welcome and not isinstance(frame, frames.Welcome | frames.ErrorFrame):
            self._desk.complain(f"{line.name} got {frame} before its welcome.")
        match frame:
            case frames.Message():
                self._told(line, frame, paged=False)
            case frames.Welcome():
                self._welcomed(line, frame)
            case frames.Sent():
                self._acked(line, line.in_flight.pop(frame.id), frame)
            case frames.ErrorFrame(id=int() as number) if number in line.in_flight:
                self._refused(line, line.in_flight.pop(number), frame)
            case frames.ErrorFrame(id=int() as number):
                line.waiting.pop(number, None)
            case frames.Membership(username=self.person.username):
                self._membership(line, frame)
            case frames.Joined():
                self._joined(line, frame)
            case frames.Left():
                line.waiting.pop(frame.id)
                self._stop(line, frame.room)
            case frames.Page():
                line.waiting.pop(frame.id)
                for message in frame.messages:
                    self._told(line, message, paged=True)
        self._read_on()

    def lost(self, line: Line, code: int) -> None:
        """What was in flight may be stored or not: it goes out again, with the same key."""
        if line is not self.line:
            return
        self.line = None
        now_s = self._loop.time()
        for said in line.in_flight.values():
            self._desk.note(operations.Unknown(at_s=now_s, connection=line.name, room=said.room, content=said.content))
        self.outbox.extendleft(reversed(line.in_flight.values()))
        if line.is_welcome:
            self._desk.note(operations.Closed(at_s=now_s, connection=line.name, code=code))
        if may_return(code):
            self._dial_soon()
        else:
            self.is_over = True

    def _welcomed(self, line: Line, welcome: frames.Welcome) -> None:
        line.is_welcome = True
        self._desk.note(
            operations.Opened(
                at_s=self._loop.time(), connection=line.name, reader=self.name, session=welcome.session,
                server=welcome.server,
            )
        )  # fmt: skip
        told = {room.room for room in welcome.rooms}
        for name in [name for name in self.held if name not in told]:
            self._stop(line, name)
        for room in welcome.rooms:
            asked = line.asked.get(room.room)
            self._begin(line, room.room, room.at, None if asked is None or room.reset else asked.offset)
        self.advance()

    def _begin(self, line: Line, room: str, at: Position, since: int | None) -> None:
        self.rooms.add(room)
        held = self.held.get(room)
        if held is None or held.epoch != at.epoch or since is None:
            held = self.held[room] = Holding(at.epoch, at.offset if since is None else since)
        held.wanted = at.offset
        self._desk.note(
            operations.Began(
                at_s=self._loop.time(), connection=line.name, room=room, epoch=at.epoch, offset=at.offset, since=since
            )
        )

    def _stop(self, line: Line, room: str) -> None:
        self.rooms.discard(room)
        if self.held.pop(room, None) is not None:
            self._desk.note(operations.Stopped(at_s=self._loop.time(), connection=line.name, room=room))

    def _membership(self, line: Line, frame: frames.Membership) -> None:
        if frame.at is not None:
            self._begin(line, frame.room, frame.at, None)
        elif not frame.member:
            self._stop(line, frame.room)

    def _joined(self, line: Line, joined: frames.Joined) -> None:
        command = line.waiting.pop(joined.id)
        assert isinstance(command, frames.Join)
        is_in = joined.room in self.rooms  # another connection of the same user was faster
        since = None if command.since is None or joined.reset or is_in else command.since.offset
        self._begin(line, joined.room, joined.at, since)
        for message in joined.messages:
            self._told(line, message, paged=True)

    def _told(self, line: Line, message: frames.Message, *, paged: bool) -> None:
        held = self.held.get(message.room)
        if held is not None and held.epoch == message.at.epoch:
            held.take(message.at.offset)
        self._desk.note(
            operations.Delivered(
                at_s=self._loop.time(), connection=line.name, room=message.room, epoch=message.at.epoch,
                offset=message.at.offset, username=message.username, content=message.content, paged=paged,
            )
        )  # fmt: skip

    def _read_on(self) -> None:
        """Read what a `joined` left to be read."""
        if self.line is not None and not self.line.waiting:
            for room, held in self.held.items():
                if held.is_short and room in self.rooms:
                    self.read(room, after=held.whole)
                    return

    def _acked(self, line: Line, said: Said, sent: frames.Sent) -> None:
        self._desk.note(
            operations.Acked(
                at_s=self._loop.time(), connection=line.name, room=sent.room, content=said.content,
                epoch=sent.at.epoch, offset=sent.at.offset,
            )
        )  # fmt: skip
        self.advance()

    def _refused(self, line: Line, said: Said, error: frames.ErrorFrame) -> None:
        final = error.retry_after_s is None and not MEANINGS[Code(error.code)].retry
        self._desk.note(
            operations.Refused(
                at_s=self._loop.time(), connection=line.name, room=said.room, content=said.content, code=error.code,
                final=final,
            )
        )  # fmt: skip
        if not final:
            self.outbox.appendleft(said)
            rest_s = min(error.retry_after_s or 0.3, 0.3)
            self._rests_until_s = self._loop.time() + rest_s
            self._loop.call_later(rest_s, self.advance)
        else:
            self.advance()
