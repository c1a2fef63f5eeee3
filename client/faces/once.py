"""The face of a single command: connect, ask, take the answer, go."""

from collections.abc import Callable, Collection

from chatterbox.wire import frames
from chatterbox.wire.errors import Code
from client import notes, words
from client.connection import Connection
from client.faces.pipes import failure_of, why_not_in
from client.faces.slash import invites_into
from client.failures import Failure, Refused, unreachable
from client.inert import inert
from client.state import State
from client.tokens import Tokens

Show = Callable[[notes.Note], None]


class Once:
    """Gives one command as soon as it is connected. `answer` is the note that answered it.

    `known` are rooms that the server has shown before.
    """

    def __init__(self, server: str, command: frames.Command, known: Collection[str] = ()) -> None:
        self.connection: Connection
        self.answer: notes.Answered | notes.Entered | None = None
        self.failure: Failure | None = None
        self._server = server
        self._command = command
        self._known = known
        self._refusal: notes.Refused | None = None

    def show(self, note: notes.Note) -> None:
        match note:
            case notes.Connected():
                self.connection.ask(self._command)
            case notes.Cut():
                self._fail(unreachable(self._server, inert(note.why)))
            case notes.Answered(_, frames.RoomList(rooms=rooms)) if self._refusal is not None:
                self._fail(Refused(self._why_not(rooms)))
            case notes.Answered() | notes.Entered():
                self.answer = note
                self.connection.leave()
            case notes.Refused(_, Code.ROOM_UNKNOWN, _) if self._refusal is None:
                self._refusal = note
                self.connection.ask(frames.Rooms(id=0))
            case notes.Refused() | notes.Complaint():
                self._fail(Refused(words.sentence(note, self._server) or ""))

    def _why_not(self, rooms: list[frames.RoomSummary]) -> str:
        """Why the room of the command is none for it; nobody makes one to leave it."""
        room, names = str(getattr(self._command, "room", "")), [summary.room for summary in rooms]
        if isinstance(self._command, frames.Leave):
            return words.no_such_room(room, names, join="chatterbox leave")
        return why_not_in(room, rooms, left=room in self._known or invites_into(self._command, names))

    def _fail(self, failure: Failure) -> None:
        self.failure = self.failure or failure
        self.connection.leave()


async def ask_once(
    server: str,
    tokens: Tokens,
    command: frames.Command,
    *,
    before: Callable[[Show], Show] = lambda show: show,
    known: Collection[str] = (),
) -> notes.Answered | notes.Entered:
    """Give `command` and return its answer; raises `Failure`. `before` may put something before the face.

    `known` are rooms that the server has shown before.
    """
    face = Once(server, command, known)
    face.connection = Connection(server, tokens, before(face.show), state=State(follow=frozenset()))
    ended = await face.connection.run()
    if face.answer is not None:
        return face.answer
    raise face.failure or failure_of(ended) or Refused("The server gave no answer.")
