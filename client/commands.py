"""The commands that talk over a connection, each put together from the core and a face."""

import asyncio
import os
import shutil
import signal
import stat
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, nullcontext, suppress

from chatterbox.wire import frames, text
from chatterbox.wire.errors import ChatError
from chatterbox.wire.limits import DEFAULT_ROOM, Limits
from chatterbox.wire.position import Position
from client import notes, words
from client.connection import Connection
from client.faces.lines import Lines
from client.faces.once import ask_once
from client.faces.pipes import Sending, Tail, failure_of
from client.faces.stdin import stdin_lines
from client.faces.timeline import Timeline
from client.failures import Exit, Usage
from client.place import Place, out, tell
from client.state import State
from client.stream import Stream

SENT_S = 10.0
"""How long `chat` waits at its end for the acks of what was piped in."""
QUIT_S = 2.0
"""The same for somebody who typed it, and wants to go."""


def room_name(name: str) -> str:
    """Return a room's name as the server writes it; raises `Usage`."""
    try:
        return text.room_name(name.removeprefix("#"), Limits())
    except ChatError as refusal:
        raise Usage(refusal.detail) from None


def on_terminal() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty()


async def chat(place: Place, room: str | None, *, plain: bool = False) -> Exit:
    """The full screen where the terminal can show one, else lines."""
    if plain or not on_terminal() or os.environ.get("TERM", "dumb") in {"", "dumb", "unknown"}:
        return await chat_in_lines(place, room or DEFAULT_ROOM)
    from client.screen import run  # it takes a fifth of a second to import, and lines do without

    return await run.chat(place, room)


async def chat_in_lines(place: Place, room: str) -> Exit:
    """Lines in, lines out."""
    session = place.tokens.session()
    typed = on_terminal()
    timeline = Timeline(columns=_columns, colour="NO_COLOR" not in os.environ) if typed else Timeline()
    face = Lines(place.server, room, timeline, out=out, tell=out if typed else tell)
    with place.outbox(session) as outbox:
        face.connection = Connection(place.server, place.tokens, face.show, outbox=outbox)
        lines, above = _typing(face) if typed and os.environ.get("TERM") != "dumb" else (stdin_lines(), nullcontext())
        with above:
            face.connection.enter(room)
            return await _converse(face, lines, QUIT_S if typed else SENT_S)


def _typing(face: Lines) -> tuple[AsyncIterator[str], AbstractContextManager[None]]:
    from client.faces.typing import Typing  # it takes a tenth of a second to import, and pipes do without

    typing = Typing(lambda: face.prompt)
    face.refresh = typing.refresh
    return typing.lines(), typing.above()


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
        _tell_unsent(face.connection.state.unsent_count)
    return Exit.UNREACHABLE if face.connection.state.unsent_count else Exit.OK


def _tell_unsent(count: int) -> None:
    if count:
        tell(f"{count} not sent yet: kept in the outbox, and sent when you chat the next time.")


def _exit_of(ended: notes.Ended) -> Exit:
    failure = failure_of(ended)
    return failure.exit if failure else Exit.OK


async def send(place: Place, room: str, content: str | None, timeout_s: float) -> Exit:
    """One message, or every line of the input."""
    session = place.tokens.session()
    face = Sending(place.server, room, tell, timeout_s)
    lines = stdin_lines() if content in {None, "-"} else _just(content or "")
    with place.outbox(session) as outbox:
        face.connection = Connection(
            place.server, place.tokens, face.show, outbox=outbox, state=State(follow=frozenset())
        )
        connected = asyncio.create_task(face.connection.run())
        sent = asyncio.create_task(face.send(lines))
        await asyncio.wait({connected, sent}, return_when=asyncio.FIRST_COMPLETED)
        if sent.done():
            face.connection.leave()
            await connected
            return sent.result()
        sent.cancel()
        await asyncio.wait({sent})
        if failure := failure_of(connected.result()):
            raise failure
        return Exit.OK


async def tail(
    place: Place, room: str, *, as_json: bool, since: Position | None, recent: int, count: int | None
) -> Exit:
    """Print what comes, until interrupted or `count` messages are printed."""
    place.tokens.session()
    timeline = None if as_json else Timeline(columns=_columns if sys.stdout.isatty() else lambda: None)
    face = Tail(place.server, room, out=out, tell=tell, timeline=timeline, count=count)
    streams = {room: Stream(since)} if since else {}
    state = State(follow=frozenset({room}), recent=recent, streams=streams)
    face.connection = Connection(place.server, place.tokens, face.show, state=state)
    _when_reader_goes(face.connection.leave)
    ended = await face.connection.run()
    if failure := face.failure or failure_of(ended):
        raise failure
    return Exit.OK


async def rooms(place: Place) -> Exit:
    answer = await ask_once(place.server, place.tokens, frames.Rooms(id=0))
    if isinstance(answer, notes.Answered) and isinstance(answer.reply, frames.RoomList):
        for line in words.room_lines(answer.reply.rooms):
            out(line)
    return Exit.OK


async def ask(place: Place, command: frames.Command) -> Exit:
    """Give one command, and say what came of it."""
    answer = await ask_once(place.server, place.tokens, command)
    if isinstance(answer, notes.Entered):
        out(f"You are in #{answer.room} now. To chat there: chatterbox chat {answer.room}")
    else:
        out(words.sentence(answer, place.server) or "Done.")
    return Exit.OK


async def _just(content: str) -> AsyncIterator[str]:
    yield content


def _columns() -> int:
    return shutil.get_terminal_size().columns


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
