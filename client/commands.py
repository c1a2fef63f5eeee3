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
from client import account, notes, words
from client.connection import Connection
from client.cursors import Cursor
from client.faces.carry_out import NO_TOPIC
from client.faces.choose import FaceKind, chosen, has_colour
from client.faces.completing import completions
from client.faces.lines import Lines
from client.faces.once import ask_once
from client.faces.paper import Paper
from client.faces.pipes import Sending, Tail, failure_of, why_not_in
from client.faces.plain import Plain
from client.faces.stdin import stdin_lines
from client.faces.timeline import Timeline
from client.failures import Exit, Refused, Usage
from client.home.live import InEffect, Live
from client.inert import inert, inert_name
from client.known import Known
from client.notices.notices import Notices, notices
from client.place import Place, columns_of, out, remark, tell, tell_unsent
from client.state import State
from client.stream import Stream

SENT_S = 10.0
"""How long `chat` waits at its end for the acks of what was piped in."""
QUIT_S = 2.0
"""The same for somebody who typed it, and wants to go."""


def on_terminal() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty()


async def chat(place: Place, room: str | None, wanted: FaceKind = FaceKind.SCREEN) -> Exit:
    """Talk, in the face that is wanted or the next best that the terminal can show."""
    kind = chosen(os.environ, wanted, on_terminal=on_terminal())
    if kind is not FaceKind.SCREEN:
        return await chat_in_lines(place, room or place.config.room, kind)
    from client.screen import run  # it takes a fifth of a second to import, and lines do without

    return await run.chat(place, room)


async def chat_in_lines(place: Place, room: str, kind: FaceKind) -> Exit:
    """Lines in, lines out."""
    session = place.tokens.session()
    typed = on_terminal()
    with place.outbox(session) as outbox, Known(place.known_path(session)) as known:
        face = _face(place, room, known, kind, on_terminal=typed)
        face.connection = Connection(place.server, place.tokens, known.before(face.show), outbox=outbox)
        lines, above = _typing(face, known) if kind is FaceKind.LINES else (stdin_lines(), nullcontext())
        told = _notices(place, face.notice, on_terminal=typed)
        # Nobody knows whether this terminal has the focus, so it counts as without.
        face.notify = lambda note, room: told.on(note, room, focused=False)
        following = asyncio.create_task(_follow(place, face, told))
        with above:
            face.connection.enter(room)
            try:
                ended = await _converse(face, lines, QUIT_S if typed else SENT_S)
            finally:
                following.cancel()
    if face.logs_out:
        return account.logout(place)
    if ended is Exit.NOT_LOGGED_IN:
        remark(place.way_in())
    return Exit.REFUSED if ended is Exit.OK and face.has_lost and not typed else ended


def _face(place: Place, room: str, known: Known, kind: FaceKind, *, on_terminal: bool) -> Lines:
    in_lines = kind is FaceKind.LINES
    timeline = Timeline(columns=_columns, colour=in_lines and has_colour(os.environ))
    paper = Paper(timeline, out, out if on_terminal else tell, echoed=on_terminal and not in_lines)
    return (Lines if in_lines else Plain)(place, room, paper, known)


def _typing(face: Lines, known: Known) -> tuple[AsyncIterator[str], AbstractContextManager[None]]:
    from client.faces.typing import Typing  # it takes a tenth of a second to import, and pipes do without

    typing = Typing(lambda: face.prompt, lambda line: completions(line, known.names))
    face.refresh = typing.refresh
    return typing.lines(), typing.above()


def _notices(place: Place, say: Callable[[str], None], *, on_terminal: bool) -> Notices:
    return notices(place.config.notices, say, os.environ, _to_terminal if on_terminal else None)


async def _follow(place: Place, face: Lines, told: Notices) -> None:
    """Let what is written into the configuration take effect; in lines, only notices have anything of it."""

    def take(now: InEffect) -> None:
        told.configure(now.config.notices)
        for sentence in now.sentences:
            face.notice(sentence)

    await Live(os.environ, place.named).follow(take)


def _to_terminal(sequence: str) -> None:
    """Past prompt_toolkit, which would print it above the line that is typed on."""
    if sys.__stdout__ is not None:
        sys.__stdout__.write(sequence)
        sys.__stdout__.flush()


async def _converse(face: Lines, lines: AsyncIterator[str], sent_s: float) -> Exit:
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
        face.connection.leave()
        await asyncio.wait({connected, read})
        left = tell_unsent(face.connection.state.unsent_count)
    return left


def _exit_of(ended: notes.Ended) -> Exit:
    failure = failure_of(ended)
    return failure.exit if failure else Exit.OK


async def send(place: Place, room: str, content: str | None, timeout_s: float) -> Exit:
    """One message, or every line of the input."""
    if content is not None and not content.strip():
        raise Usage("The message is empty; nothing was sent.")
    session = place.tokens.session()
    face = Sending(place.server, room, remark, timeout_s, is_known=room in _rooms_known(place))
    lines = stdin_lines() if content in {None, "-"} else _just(content or "")
    with place.outbox(session) as outbox:
        state = State(follow=frozenset())
        face.connection = Connection(place.server, place.tokens, face.show, outbox=outbox, state=state)
        connected = asyncio.create_task(face.connection.run())
        sent = asyncio.create_task(face.send(lines))
        await asyncio.wait({connected, sent}, return_when=asyncio.FIRST_COMPLETED)
        if sent.done():
            face.connection.leave()
            await connected
            return sent.result()
        sent.cancel()
        await asyncio.wait({sent})
        if failure := face.failure_of(connected.result()):
            raise failure
        return Exit.OK


async def tail(
    place: Place,
    rooms: Sequence[str],
    *,
    as_json: bool,
    since: Position | None,
    recent: int,
    count: int | None,
    resume: str | None,
) -> Exit:
    """Print what comes, until interrupted or `count` messages are printed."""
    session = place.tokens.session()
    if since is not None and len(rooms) > 1:
        raise Usage("--since is a position of one room; with several, --resume keeps one for each.")
    with ExitStack() as stack:
        cursor = stack.enter_context(Cursor(place.cursor_path(session, resume))) if resume else None
        begin = {room: at for room, at in cursor.positions().items() if room in rooms} if cursor else {}
        if since is not None:
            begin.setdefault(rooms[0], since)
        timeline = None if as_json else _pipe_timeline(len(rooms))
        save = cursor.save if cursor else _no_cursor
        face = Tail(place.server, rooms, out=out, tell=remark, timeline=timeline, count=count, save=save)
        streams = {room: Stream(at) for room, at in begin.items()}
        state = State(follow=frozenset(rooms), recent=recent, streams=streams)
        known = stack.enter_context(Known(place.known_path(session)))
        face.connection = Connection(place.server, place.tokens, known.before(face.show), state=state)
        _when_reader_goes(face.connection.leave)
        ended = await face.connection.run()
    if failure := face.failure or failure_of(ended):
        raise failure
    return Exit.OK


def _pipe_timeline(rooms: int) -> Timeline:
    return Timeline(columns=_columns, rooms=rooms > 1)


def _no_cursor(_: Mapping[str, Position]) -> None:
    """Without `--resume`, nothing is kept."""


async def rooms(place: Place) -> Exit:
    answer = await _asked(place, frames.Rooms(id=0))
    if isinstance(answer, notes.Answered) and isinstance(answer.reply, frames.RoomList):
        for line in words.room_lines(answer.reply.rooms):
            out(line)
    return Exit.OK


async def topic(place: Place, room: str, text: str | None) -> Exit:
    """Print what a room is about, and nothing where it has no topic; with a text, say it."""
    if text is not None:
        return await ask(place, frames.SetTopic(id=0, room=room, topic="" if text == NO_TOPIC else text))
    was_shown = room in _rooms_known(place)
    answer = await _asked(place, frames.Rooms(id=0))
    rooms = (
        answer.reply.rooms if isinstance(answer, notes.Answered) and isinstance(answer.reply, frames.RoomList) else []
    )
    found = next((summary.topic for summary in rooms if summary.room == room), None)
    if found is None:
        raise Refused(why_not_in(room, rooms, left=was_shown))
    if found:
        out(inert(found))
    else:
        tell(words.topic_line(room, ""))
    return Exit.OK


async def ask(place: Place, command: frames.Command) -> Exit:
    """Give one command, and say what came of it."""
    answer = await _asked(place, command)
    if isinstance(answer, notes.Entered):
        room = inert_name(answer.room)
        out(f"You are in #{room} now. To chat there: chatterbox chat {room}")
    else:
        out(words.sentence(answer, place.server) or "Done.")
    return Exit.OK


async def _asked(place: Place, command: frames.Command) -> notes.Answered | notes.Entered:
    with Known(place.known_path(place.tokens.session())) as known:
        rooms = known.names.all_rooms
        return await ask_once(place.server, place.tokens, command, before=known.before, known=rooms)


def _rooms_known(place: Place) -> tuple[str, ...]:
    """Rooms that the server has shown before."""
    return Known(place.known_path(place.tokens.session())).names.all_rooms


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
