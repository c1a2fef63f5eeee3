"""The face of a single command: connect, send the command, take the reply, quit."""

from collections.abc import Callable, Collection
from typing import TypeAlias, assert_never

from chatterbox.wire import frames
from chatterbox.wire.encryption.member_log import NewcomerHistory
from chatterbox.wire.errors import Code
from client.core import notes
from client.core.client_state import ClientState
from client.core.events import AwaySet, CommandRequested
from client.faces.pipe_faces import failure_of
from client.failures import Failure, ServerRefused, unreachable
from client.net.chat_connection import ChatConnection, Connector
from client.net.encryption_shell import EncryptionSupport
from client.net.token_source import TokenSource
from client.text import note_text
from client.text.sanitize import inert
from client.text.suggestions import SHELL, invites_into, unknown_room, why_not_in

Show: TypeAlias = Callable[[notes.Note], None]


class SingleCommandFace:
    """Sends one command as soon as it is connected. `answer` is the note with its reply, `failure` why there is none.

    `known` are rooms that the server listed before.
    """

    def __init__(self, server: str, request: CommandRequested, connect: Connector, known: Collection[str] = ()) -> None:
        self.connection = connect(self.show)
        self.answer: notes.CommandAnswered | notes.RoomEntered | None = None
        self.failure: Failure | None = None
        self._server = server
        self._request = request
        self._command = request.command
        self._known = known
        self._unknown_room: str | None = None
        """The room that the server does not know, while the list of rooms is on its way."""
        self.connection.request(AwaySet(True))  # a command that ends at once shows no one as online

    def show(self, note: notes.Note) -> None:
        match note:
            case notes.WelcomeReceived():
                self.connection.request(self._request)
            case notes.Disconnected(why):
                self._fail(unreachable(self._server, inert(why)))
            case notes.CommandAnswered(_, frames.RoomList(rooms=rooms)) if self._unknown_room is not None:
                self._fail(ServerRefused(self._why_not(self._unknown_room, rooms)))
            case notes.CommandAnswered() | notes.RoomEntered():
                self.answer = note
                self.connection.quit()
            case notes.CommandRefused(
                frames.Join(room=room)
                | frames.Leave(room=room)
                | frames.Invite(room=room)
                | frames.Remove(room=room)
                | frames.DeleteRoom(room=room)
                | frames.SetTopic(room=room)
                | frames.Send(room=room)
                | frames.Edit(room=room)
                | frames.DeleteMessage(room=room)
                | frames.React(room=room)
                | frames.Pin(room=room)
                | frames.ReadHistory(room=room),
                Code.ROOM_UNKNOWN,
            ) if self._unknown_room is None:
                self._unknown_room = room
                self.connection.request(CommandRequested(frames.ListRooms(id=0)))
            case notes.CommandRefused() | notes.ServerError():
                code = note.code if isinstance(note, notes.CommandRefused) else ""
                self._fail(ServerRefused(note_text.sentence(note, self._server) or "", code))
            case (
                notes.Connecting()
                | notes.Reconnecting()
                | notes.CatchingUp()
                | notes.CaughtUp()
                | notes.MessageShown()
                | notes.MessageChanged()
                | notes.RoomReset()
                | notes.MessagesMissing()
                | notes.RoomGone()
                | notes.MembershipChange()
                | notes.InvitationReceived()
                | notes.ReadStateTold()
                | notes.PresenceTold()
                | notes.ProfileTold()
                | notes.TypingTold()
                | notes.ReceiptsTold()
                | notes.AwayChanged()
                | notes.TopicChange()
                | notes.QueuedOffline()
                | notes.SendDelayed()
                | notes.SendWaits()
                | notes.DirectRenamed()
                | notes.KeysTold()
                | notes.TrustTold()
                | notes.SendStored()
                | notes.SendFailed()
                | notes.SessionOver()
            ):
                pass
            case _:
                assert_never(note)

    def _why_not(self, room: str, rooms: list[frames.RoomSummary]) -> str:
        """Why the command can't use the room."""
        names = [summary.room for summary in rooms]
        if isinstance(self._command, frames.Leave | frames.Remove | frames.DeleteRoom):
            return unknown_room(self._command, room, names, prefix=SHELL)
        return why_not_in(room, rooms, left=room in self._known or invites_into(self._command, names))

    def _fail(self, failure: Failure) -> None:
        self.failure = self.failure or failure
        self.connection.quit()


async def ask_once(
    server: str,
    tokens: TokenSource,
    command: frames.Command,
    *,
    history: NewcomerHistory | None = None,
    wrap: Callable[[Show], Show] = lambda show: show,
    known: Collection[str] = (),
    encryption: EncryptionSupport | None = None,
) -> notes.CommandAnswered | notes.RoomEntered:
    """Send `command` and return its reply; raises `Failure`. `wrap` may wrap the function that takes the notes.

    `history`: what new members can read of a room that is created. `known` are rooms that the server listed before.
    `encryption`: for commands in encrypted rooms.
    """

    def connect(show: Show) -> ChatConnection:
        return ChatConnection(server, tokens, wrap(show), state=ClientState(follow=frozenset()), encryption=encryption)

    face = SingleCommandFace(server, CommandRequested(command, history), connect, known)
    ended = await face.connection.run()
    if face.answer is not None:
        return face.answer
    raise face.failure or failure_of(ended) or ServerRefused("The server sent no reply.")
