"""The commands that talk over a connection, each put together from the core and a face."""

import asyncio
import os
import signal
import stat
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext, suppress

from chatterbox.wire import frames
from chatterbox.wire.position import Position
from client.commands import account
from client.config.live_config import EffectiveConfig, LiveConfig
from client.context import ClientContext, columns_of, out, remark, tell, tell_unsent
from client.core import notes
from client.core.client_state import ClientState
from client.core.events import RoomRequested
from client.core.message_stream import MessageStream
from client.faces.face_choice import FaceKind, chosen, has_colour
from client.faces.line_completion import completions
from client.faces.line_face import LineFace
from client.faces.line_output import LineOutput
from client.faces.line_timeline import LineTimeline
from client.faces.pipe_faces import SendFace, TailFace, failure_of, why_not_in
from client.faces.plain_face import PlainFace
from client.faces.single_command_face import ask_once
from client.faces.slash_parser import NO_TOPIC
from client.faces.stdin_lines import stdin_lines
from client.failures import ExitCode, ServerRefused, UsageError
from client.net.chat_connection import ChatConnection
from client.notifications.notifier import Notifier, notifier
from client.store.name_cache import NameCache
from client.store.tail_cursors import TailCursor
from client.text import note_text
from client.text.sanitize import inert, inert_name

SENT_S = 10.0
"""How long `chat` waits at its end for the acks of what was piped in."""
QUIT_S = 2.0
"""The same for somebody who typed it, and wants to go."""


def on_terminal() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty()


async def chat(place: ClientContext, room: str | None, wanted: FaceKind = FaceKind.SCREEN) -> ExitCode:
    """Talk, in the face that is wanted or the next best that the terminal can show."""
    kind = chosen(os.environ, wanted, on_terminal=on_terminal())
    if kind is not FaceKind.SCREEN:
        return await chat_in_lines(place, room or place.config.room, kind)
    from client.screen import full_screen  # it takes a fifth of a second to import, and lines do without

    return await full_screen.chat(place, room)


async def chat_in_lines(place: ClientContext, room: str, kind: FaceKind) -> ExitCode:
    """Lines in, lines out."""
    session = place.tokens.session()
    typed = on_terminal()
    with place.outbox(session) as outbox, NameCache(place.known_path(session)) as known:
        face = _face(place, room, known, kind, on_terminal=typed)
        face.connection = ChatConnection(place.server, place.tokens, known.before(face.show), outbox=outbox)
        lines, above = _typing(face, known) if kind is FaceKind.LINES else (stdin_lines(), nullcontext())
        told = _notices(place, face.notice, on_terminal=typed)
        # Nobody knows whether this terminal has the focus, so it counts as without.
        face.notify = lambda note, room: told.on(note, room, focused=False)
        following = asyncio.create_task(_follow(place, face, told))
        with above:
            face.connection.request(RoomRequested(room))
            try:
                ended = await _converse(face, lines, QUIT_S if typed else SENT_S)
            finally:
                following.cancel()
    if face.logs_out:
        return account.logout(place)
    if ended is ExitCode.NOT_LOGGED_IN:
        remark(place.way_in())
    return ExitCode.REFUSED if ended is ExitCode.OK and face.has_lost and not typed else ended


def _face(place: ClientContext, room: str, known: NameCache, kind: FaceKind, *, on_terminal: bool) -> LineFace:
    in_lines = kind is FaceKind.LINES
    timeline = LineTimeline(columns=_columns, colour=in_lines and has_colour(os.environ))
    paper = LineOutput(timeline, out, out if on_terminal else tell, echoed=on_terminal and not in_lines)
    return (LineFace if in_lines else PlainFace)(place, room, paper, known)


def _typing(face: LineFace, known: NameCache) -> tuple[AsyncIterator[str], AbstractContextManager[None]]:
    from client.faces.line_input import LineInput  # it takes a tenth of a second to import, and pipes do without

    typing = LineInput(lambda: face.prompt, lambda line: completions(line, known.names))
    face.refresh = typing.refresh
    return typing.lines(), typing.above()


def _notices(place: ClientContext, say: Callable[[str], None], *, on_terminal: bool) -> Notifier:
    return notifier(place.config.notices, say, os.environ, _to_terminal if on_terminal else None)


async def _follow(place: ClientContext, face: LineFace, told: Notifier) -> None:
    """Let what is written into the configuration take effect; in lines, only notices have anything of it."""

    def take(now: EffectiveConfig) -> None:
        told.configure(now.config.notices)
        for sentence in now.sentences:
            face.notice(sentence)

    await LiveConfig(os.environ, place.named).follow(take)


def _to_terminal(sequence: str) -> None:
    """Past prompt_toolkit, which would print it above the line that is typed on."""
    if sys.__stdout__ is not None:
        sys.__stdout__.write(sequence)
        sys.__stdout__.flush()


async def _converse(face: LineFace, lines: AsyncIterator[str], sent_s: float) -> ExitCode:
    connected, read = asyncio.create_task(face.connection.run()), asyncio.create_task(face.read(lines))
    for number in (signal.SIGTERM, signal.SIGHUP):  # else the terminal would be left as prompt_toolkit set it
        asyncio.get_running_loop().add_signal_handler(number, read.cancel)
    try:
        await asyncio.wait({connected, read}, return_when=asyncio.FIRST_COMPLETED)
        if connected.done():
            return _exit_of(connected.result())
        if not read.cancelled():
            read.result()
            await face.until_sent(sent_s)
    finally:
        read.cancel()
        face.connection.quit()
        await asyncio.wait({connected, read})
        left = tell_unsent(face.connection.state.unsent_count)
    return left


def _exit_of(ended: notes.SessionOver) -> ExitCode:
    failure = failure_of(ended)
    return failure.exit if failure else ExitCode.OK


async def send(place: ClientContext, room: str, content: str | None, timeout_s: float) -> ExitCode:
    """One message, or every line of the input."""
    if content is not None and not content.strip():
        raise UsageError("The message is empty; nothing was sent.")
    session = place.tokens.session()
    face = SendFace(place.server, room, remark, timeout_s, is_known=room in _rooms_known(place))
    lines = stdin_lines() if content in {None, "-"} else _just(content or "")
    with place.outbox(session) as outbox:
        state = ClientState(follow=frozenset())
        face.connection = ChatConnection(place.server, place.tokens, face.show, outbox=outbox, state=state)
        connected = asyncio.create_task(face.connection.run())
        sent = asyncio.create_task(face.send(lines))
        await asyncio.wait({connected, sent}, return_when=asyncio.FIRST_COMPLETED)
        if sent.done():
            face.connection.quit()
            await connected
            return sent.result()
        sent.cancel()
        await asyncio.wait({sent})
        if failure := face.failure_of(connected.result()):
            raise failure
        return ExitCode.OK


async def tail(
    place: ClientContext,
    rooms: Sequence[str],
    *,
    as_json: bool,
    since: Position | None,
    recent: int,
    count: int | None,
    resume: str | None,
) -> ExitCode:
    """Print what comes, until interrupted or `count` messages are printed."""
    session = place.tokens.session()
    if since is not None and len(rooms) > 1:
        raise UsageError("--since is a position of one room; with several, --resume keeps one for each.")
    with ExitStack() as stack:
        cursor = stack.enter_context(TailCursor(place.cursor_path(session, resume))) if resume else None
        begin = {room: at for room, at in cursor.positions().items() if room in rooms} if cursor else {}
        if since is not None:
            begin.setdefault(rooms[0], since)
        timeline = None if as_json else _pipe_timeline(len(rooms))
        save = cursor.save if cursor else _no_cursor
        face = TailFace(place.server, rooms, out=out, tell=remark, timeline=timeline, count=count, save=save)
        streams = {room: MessageStream(at) for room, at in begin.items()}
        state = ClientState(follow=frozenset(rooms), recent=recent, streams=streams)
        known = stack.enter_context(NameCache(place.known_path(session)))
        face.connection = ChatConnection(place.server, place.tokens, known.before(face.show), state=state)
        _when_reader_goes(face.connection.quit)
        ended = await face.connection.run()
    if failure := face.failure or failure_of(ended):
        raise failure
    return ExitCode.OK


def _pipe_timeline(rooms: int) -> LineTimeline:
    return LineTimeline(columns=_columns, rooms=rooms > 1)


def _no_cursor(_: Mapping[str, Position]) -> None:
    """Without `--resume`, nothing is kept."""


async def rooms(place: ClientContext) -> ExitCode:
    answer = await _asked(place, frames.ListRooms(id=0))
    if isinstance(answer, notes.CommandAnswered) and isinstance(answer.reply, frames.RoomList):
        for line in note_text.room_lines(answer.reply.rooms):
            out(line)
    return ExitCode.OK


async def topic(place: ClientContext, room: str, text: str | None) -> ExitCode:
    """Print what a room is about, and nothing where it has no topic; with a text, say it."""
    if text is not None:
        return await ask(place, frames.SetTopic(id=0, room=room, topic="" if text == NO_TOPIC else text))
    was_shown = room in _rooms_known(place)
    answer = await _asked(place, frames.ListRooms(id=0))
    rooms = (
        answer.reply.rooms
        if isinstance(answer, notes.CommandAnswered) and isinstance(answer.reply, frames.RoomList)
        else []
    )
    found = next((summary.topic for summary in rooms if summary.room == room), None)
    if found is None:
        raise ServerRefused(why_not_in(room, rooms, left=was_shown))
    if found:
        out(inert(found))
    else:
        tell(note_text.topic_line(room, ""))
    return ExitCode.OK


async def ask(place: ClientContext, command: frames.Command) -> ExitCode:
    """Give one command, and say what came of it."""
    answer = await _asked(place, command)
    if isinstance(answer, notes.RoomEntered):
        room = inert_name(answer.room)
        out(f"You are in #{room} now. To chat there: chatterbox chat {room}")
    else:
        out(note_text.sentence(answer, place.server) or "Done.")
    return ExitCode.OK


async def _asked(place: ClientContext, command: frames.Command) -> notes.CommandAnswered | notes.RoomEntered:
    with NameCache(place.known_path(place.tokens.session())) as known:
        rooms = known.names.all_rooms
        return await ask_once(place.server, place.tokens, command, before=known.before, known=rooms)


def _rooms_known(place: ClientContext) -> tuple[str, ...]:
    """Rooms that the server has shown before."""
    return NameCache(place.known_path(place.tokens.session())).names.all_rooms


async def _just(content: str) -> AsyncIterator[str]:
    yield content


def _columns() -> int | None:
    return columns_of(sys.stdout)


def _when_reader_goes(leave: Callable[[], None]) -> None:
    """End as soon as nobody reads the output any more, not only when the next message can't be written."""
    with suppress(OSError, ValueError, NotImplementedError):
        descriptor = sys.stdout.fileno()
        if stat.S_ISFIFO(os.fstat(descriptor).st_mode):
            loop = asyncio.get_running_loop()

            def gone() -> None:
                loop.remove_reader(descriptor)
                leave()

            loop.add_reader(descriptor, gone)
