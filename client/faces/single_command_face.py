"""The face of a single command: connect, ask, take the answer, go."""

from collections.abc import Callable, Collection

from chatterbox.wire import frames
from chatterbox.wire.errors import Code
from client.core import notes
from client.core.client_state import ClientState
from client.core.events import CommandRequested
from client.faces.pipe_faces import failure_of, why_not_in
from client.faces.slash_parser import invites_into
from client.failures import Failure, ServerRefused, unreachable
from client.net.chat_connection import ChatConnection
from client.net.token_source import TokenSource
from client.text import note_text
from client.text.sanitize import inert

Show = Callable[[notes.Note], None]


class SingleCommandFace:
    """Gives one command as soon as it is connected. `answer` is the note that answered it.

    `known` are rooms that the server has shown before.
    """

    def __init__(self, server: str, command: frames.Command, known: Collection[str] = ()) -> None:
        self.connection: ChatConnection
        self.answer: notes.CommandAnswered | notes.RoomEntered | None = None
        self.failure: Failure | None = None
        self._server = server
        self._command = command
        self._known = known
        self._refusal: notes.CommandRefused | None = None

    def show(self, note: notes.Note) -> None:
        match note:
            case notes.WelcomeReceived():
                self.connection.request(CommandRequested(self._command))
            case notes.Disconnected():
                self._fail(unreachable(self._server, inert(note.why)))
            case notes.CommandAnswered(_, frames.RoomList(rooms=rooms)) if self._refusal is not None:
                self._fail(ServerRefused(self._why_not(rooms)))
            case notes.CommandAnswered() | notes.RoomEntered():
                self.answer = note
                self.connection.quit()
            case notes.CommandRefused(_, Code.ROOM_UNKNOWN, _) if self._refusal is None:
                self._refusal = note
                self.connection.request(CommandRequested(frames.ListRooms(id=0)))
            case notes.CommandRefused() | notes.ServerError():
                self._fail(ServerRefused(note_text.sentence(note, self._server) or ""))

    def _why_not(self, rooms: list[frames.RoomSummary]) -> str:
        """Why the room of the command is none for it; nobody makes one to leave it."""
        room, names = str(getattr(self._command, "room", "")), [summary.room for summary in rooms]
        if isinstance(self._command, frames.Leave):
            return note_text.no_such_room(room, names, join="chatterbox leave")
        return why_not_in(room, rooms, left=room in self._known or invites_into(self._command, names))

    def _fail(self, failure: Failure) -> None:
        self.failure = self.failure or failure
        self.connection.quit()


async def ask_once(
    server: str,
    tokens: TokenSource,
    command: frames.Command,
    *,
    before: Callable[[Show], Show] = lambda show: show,
    known: Collection[str] = (),
) -> notes.CommandAnswered | notes.RoomEntered:
    """Give `command` and return its answer; raises `Failure`. `before` may put something before the face.

    `known` are rooms that the server has shown before.
    """
    face = SingleCommandFace(server, command, known)
    face.connection = ChatConnection(server, tokens, before(face.show), state=ClientState(follow=frozenset()))
    ended = await face.connection.run()
    if face.answer is not None:
        return face.answer
    raise face.failure or failure_of(ended) or ServerRefused("The server gave no answer.")
