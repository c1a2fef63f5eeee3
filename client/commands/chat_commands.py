"""The commands over a connection: chat, send, tail, rooms, topic, join, leave, invite, create."""

import asyncio
import json
import os
import signal
import stat
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext, suppress
from pathlib import Path

from chatterbox.wire import frames
from chatterbox.wire.position import Position, ResumePoint
from client.commands import account, file_commands
from client.config.live_config import EffectiveConfig, LiveConfig
from client.context import ClientContext
from client.core import direct_rooms, notes
from client.core.client_state import ClientState
from client.core.events import RoomRequested
from client.core.message_changes import ChangeProgress
from client.core.message_stream import MessageStream
from client.faces.face_choice import FaceKind, chosen, has_colour
from client.faces.line_completion import completions
from client.faces.line_face import LineFace
from client.faces.line_output import LineOutput
from client.faces.line_timeline import LineTimeline
from client.faces.pipe_faces import SendFace, TailFace, failure_of
from client.faces.plain_face import PlainFace
from client.faces.single_command_face import Show, ask_once
from client.faces.slash.slash_table import NO_TOPIC
from client.faces.stdin_lines import stdin_lines
from client.failures import ExitCode, ServerRefused, UsageError
from client.net.chat_connection import ChatConnection, Connector
from client.net.encryption_shell import EncryptionSupport
from client.net.encryption_support import encryption_support
from client.notifications.notifier import Notifier, notifier
from client.output import columns_of, print_notice, print_result, print_status, report_unsent
from client.store.name_cache import NameCache
from client.store.outbox import Outbox
from client.store.path_names import path_names
from client.store.tail_cursors import TailCursor
from client.text import change_text, note_text
from client.text.ansi import without_escapes
from client.text.file_text import download_command
from client.text.sanitize import inert, inert_name
from client.text.suggestions import why_not_in

PIPE_SENT_S = 10.0
"""How long a `chat` with piped input waits at its end for outstanding acks (seconds)."""
RECENT = 10
"""Messages before the newest with which `tail` starts."""
WHOLE_CHARS = 100_000
"""Characters after which the input of `send --whole` is refused; no server accepts as many in one message."""
TYPED_SENT_S = 2.0
"""The same for a `chat` on a terminal (seconds)."""


def on_terminal() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty()


async def chat(context: ClientContext, room: str | None, wanted: FaceKind = FaceKind.SCREEN) -> ExitCode:
    """Chat, in the wanted face or the best one that the terminal supports."""
    kind = chosen(os.environ, wanted, on_terminal=on_terminal())
    if kind is not FaceKind.SCREEN:
        return await chat_in_lines(context, room or context.config.room, kind)
    from client.screen import full_screen  # the import takes a fifth of a second, and lines don't need it

    return await full_screen.chat(context, room)


async def chat_in_lines(context: ClientContext, room: str, kind: FaceKind) -> ExitCode:
    """Chat in the line-based or the plain face."""
    session = context.tokens.session()
    is_typed = on_terminal()
    with context.outbox(session) as outbox, NameCache(context.name_cache_path(session)) as cache:
        encryption = encryption_support(context, session, is_typed=is_typed)
        connect = _connector(context, cache, outbox, encryption)
        face = _face(context, room, cache, kind, connect, on_terminal=is_typed)
        notifications = _notifier(context, face.notice, on_terminal=is_typed)
        # A line-based chat doesn't know whether the terminal has the focus, so it counts as unfocused.
        face.listen(lambda note, room: notifications.on(note, room, focused=False))
        lines, above = _typing(face, cache) if kind is FaceKind.LINES else (stdin_lines(), nullcontext())
        following = asyncio.create_task(_follow_config(context, face, notifications))
        with above:
            face.connection.request(RoomRequested(room))
            try:
                ended = await _run(face, lines, TYPED_SENT_S if is_typed else PIPE_SENT_S)
            finally:
                following.cancel()
    if face.logout_requested:
        return account.logout(context)
    if ended is ExitCode.NOT_LOGGED_IN:
        print_notice(context.login_hint())
    return ExitCode.REFUSED if ended is ExitCode.OK and face.lost_message and not is_typed else ended


def _connector(context: ClientContext, cache: NameCache, outbox: Outbox, encryption: EncryptionSupport) -> Connector:
    def connect(show: Show) -> ChatConnection:
        learning = cache.learning(show)
        return ChatConnection(context.server, context.tokens, learning, outbox=outbox, encryption=encryption)

    return connect


def _face(
    context: ClientContext, room: str, cache: NameCache, kind: FaceKind, connect: Connector, *, on_terminal: bool
) -> LineFace:
    in_lines = kind is FaceKind.LINES
    timeline = LineTimeline(columns=_columns, colour=in_lines and has_colour(os.environ))
    notices = print_result if on_terminal else print_status
    output = LineOutput(timeline, print_result, notices, echoed=on_terminal and not in_lines)
    kind_of_face = LineFace if in_lines else PlainFace
    return kind_of_face(context, room, output, cache, connect, marks_read=on_terminal)


def _typing(face: LineFace, cache: NameCache) -> tuple[AsyncIterator[str], AbstractContextManager[None]]:
    from client.faces.line_input import LineInput  # the import takes a tenth of a second, and pipes don't need it

    line_input = LineInput(lambda: face.prompt, lambda line: completions(line, cache.names, path_names), face.take_key)
    face.listen(lambda _note, _room: line_input.refresh())
    return line_input.lines(), line_input.above()


def _notifier(context: ClientContext, report: Callable[[str], None], *, on_terminal: bool) -> Notifier:
    return notifier(context.config.notices, report, os.environ, _write_to_terminal if on_terminal else None)


async def _follow_config(context: ClientContext, face: LineFace, notifications: Notifier) -> None:
    """Apply changes of the configuration; in a line-based chat, only notifications and `share_typing` can change."""

    def take(config: EffectiveConfig) -> None:
        notifications.configure(config.config.notices)
        face.use_people(config.config.people)
        for sentence in config.sentences:
            face.notice(sentence)

    await LiveConfig(os.environ, context.overrides).follow(take)


def _write_to_terminal(sequence: str) -> None:
    """Write past prompt_toolkit, which would print the sequence above the input line."""
    if sys.__stdout__ is not None:
        sys.__stdout__.write(sequence)
        sys.__stdout__.flush()


async def _run(face: LineFace, lines: AsyncIterator[str], sent_s: float) -> ExitCode:
    connected, read = asyncio.create_task(face.connection.run()), asyncio.create_task(face.read(lines))
    for number in (signal.SIGTERM, signal.SIGHUP):  # otherwise the terminal would stay in prompt_toolkit's mode
        asyncio.get_running_loop().add_signal_handler(number, read.cancel)
    try:
        await asyncio.wait({connected, read}, return_when=asyncio.FIRST_COMPLETED)
        if connected.done():
            return _exit_code_of(connected.result())
        if not read.cancelled():
            read.result()
            await face.until_sent(sent_s)
    finally:
        read.cancel()
        face.connection.quit()
        await asyncio.wait({connected, read})
        unsent = report_unsent(face.connection.state.unsent_count)
    return unsent


def _exit_code_of(ended: notes.SessionOver) -> ExitCode:
    failure = failure_of(ended)
    return failure.exit if failure else ExitCode.OK


async def send(
    context: ClientContext,
    room: str,
    content: str | None,
    timeout_s: float,
    *,
    whole: bool = False,
    strips_ansi: bool = False,
    reply_to: int = 0,
    paths: Sequence[Path] = (),
) -> ExitCode:
    """Send one message, every line of the input, or with `whole` the whole input as one message.

    `reply_to`: the offset of the message that they answer; 0: none. With `paths`, one message with these files, which
    are uploaded first; without `content` it has no text.
    """
    if content is not None and not content.strip() and not paths:
        raise UsageError("The message is empty; nothing was sent.")
    session = context.tokens.session()
    if paths and direct_rooms.is_direct(room):  # whether its files are to be encrypted is known once it is open
        await _open(context, room)
    files = await file_commands.upload(context, room, paths) if paths else ()
    whole = whole or bool(paths)
    lines = stdin_lines() if content == "-" or (content is None and not paths) else _single(content or "")
    lines = _without_escapes(lines) if strips_ansi else lines
    lines = _joined(lines) if whole else lines
    with context.outbox(session) as outbox:

        def connect(show: Show) -> ChatConnection:
            state = ClientState(follow=frozenset())
            encryption = encryption_support(context, session)
            return ChatConnection(
                context.server, context.tokens, show, outbox=outbox, state=state, encryption=encryption
            )

        is_known = room in _known_rooms(context)
        face = SendFace(
            context.server,
            room,
            print_notice,
            timeout_s,
            connect,
            is_known=is_known,
            reply_to=reply_to,
            files=files,
        )
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
    context: ClientContext,
    rooms: Sequence[str],
    *,
    as_json: bool,
    since: Position | None,
    recent: int | None,
    count: int | None,
    resume: str | None,
    changes: bool = False,
) -> ExitCode:
    """Print messages as they arrive, until interrupted or until `count` messages are printed.

    With `changes`, print also what happens to them.

    Without a position, it starts `recent` messages back; by default 10, with `resume` at the newest.
    """
    if recent is None:
        recent = 0 if resume else RECENT
    session = context.tokens.session()
    if since is not None and len(rooms) > 1:
        raise UsageError("--since works with one room only. For several rooms, use --resume.")
    with ExitStack() as stack:
        cursor = stack.enter_context(TailCursor(context.cursor_path(session, resume))) if resume else None
        begin = {room: at for room, at in cursor.positions().items() if room in rooms} if cursor else {}
        if since is not None:
            begin.setdefault(rooms[0], ResumePoint(since.epoch, since.offset))
        streams = {room: _stream(point) for room, point in begin.items()}
        state = ClientState(follow=frozenset(rooms), recent=recent, streams=streams)
        cache = stack.enter_context(NameCache(context.name_cache_path(session)))
        face = TailFace(
            context.server,
            rooms,
            lambda show: ChatConnection(
                context.server,
                context.tokens,
                cache.learning(show),
                state=state,
                encryption=encryption_support(context, session),
            ),
            out=print_result,
            report=print_notice,
            timeline=None if as_json else _tail_timeline(rooms),
            count=count,
            save=cursor.save if cursor else _save_nothing,
            changes=changes,
        )
        _when_reader_closes(face.connection.quit)
        ended = await face.connection.run()
    if failure := face.failure or failure_of(ended):
        raise failure
    return ExitCode.UNREADABLE if face.unreadable else ExitCode.OK


def _tail_timeline(rooms: Sequence[str]) -> LineTimeline:
    return LineTimeline(columns=_columns, rooms=len(rooms) > 1, how_to_save=download_command)


def _stream(point: ResumePoint) -> MessageStream:
    return MessageStream(Position(point.epoch, point.offset), changes=ChangeProgress(point.rev))


def _save_nothing(_: Mapping[str, ResumePoint]) -> None:
    """Without `--resume`, positions are not saved."""


async def rooms(context: ClientContext, *, as_json: bool = False) -> ExitCode:
    """List the rooms that the user is in or can join."""
    listed = await _list_rooms(context)
    for line in map(_room_as_json, listed) if as_json else note_text.room_lines(listed):
        print_result(line)
    return ExitCode.OK


def _room_as_json(room: frames.RoomSummary) -> str:
    shown = {name: getattr(room, name) for name in ("room", "private", "member", "members", "topic")}
    return json.dumps(shown | {"messages": room.at.offset})


async def topic(context: ClientContext, room: str, text: str | None) -> ExitCode:
    """Print the topic of a room, or nothing if it has none; with a text, set it."""
    if text is not None:
        return await ask(context, frames.SetTopic(id=0, room=room, topic="" if text == NO_TOPIC else text))
    was_listed = room in _known_rooms(context)
    rooms = await _list_rooms(context)
    found = next((summary.topic for summary in rooms if summary.room == room), None)
    if found is None:
        raise ServerRefused(why_not_in(room, rooms, left=was_listed))
    if found:
        print_result(inert(found))
    else:
        print_status(note_text.topic_line(room, ""))
    return ExitCode.OK


async def ask(context: ClientContext, command: frames.Command) -> ExitCode:
    """Send one command, and print its result."""
    answer = await reply_to(context, command)
    result = note_text.sentence(answer, context.server) or change_text.done_line(command) or "Done."
    if isinstance(answer, notes.RoomEntered):
        result += f" To chat there: chatterbox chat {inert_name(answer.room)}"
    print_result(result)
    return ExitCode.OK


async def _open(context: ClientContext, room: str) -> None:
    """Open a direct conversation; raises `Failure`."""
    await reply_to(context, direct_rooms.opening(room))


async def edit(context: ClientContext, room: str, offset: int, content: str) -> ExitCode:
    """Replace the text of a message; `-` reads it from standard input."""
    text = await anext(_joined(stdin_lines())) if content == "-" else content
    return await ask(context, frames.Edit(id=0, room=room, offset=offset, content=text))


async def _list_rooms(context: ClientContext) -> list[frames.RoomSummary]:
    match await reply_to(context, frames.ListRooms(id=0)):
        case notes.CommandAnswered(_, frames.RoomList(rooms=rooms)):
            return rooms
        case _:
            return []


async def reply_to(context: ClientContext, command: frames.Command) -> notes.CommandAnswered | notes.RoomEntered:
    """Send one command, and return its reply; raises `Failure`."""
    session = context.tokens.session()
    with NameCache(context.name_cache_path(session)) as cache:
        rooms = cache.names.all_rooms
        encryption = encryption_support(context, session, is_eager=False)
        return await ask_once(
            context.server, context.tokens, command, wrap=cache.learning, known=rooms, encryption=encryption
        )


def _known_rooms(context: ClientContext) -> tuple[str, ...]:
    """Rooms that the server listed before."""
    return NameCache(context.name_cache_path(context.tokens.session())).names.all_rooms


async def _without_escapes(lines: AsyncIterator[str]) -> AsyncIterator[str]:
    async for line in lines:
        yield without_escapes(line)


async def _joined(lines: AsyncIterator[str]) -> AsyncIterator[str]:
    """All lines as one text. What is far too long for a message is not read to its end."""
    text = ""
    async for line in lines:
        text += f"{line}\n"
        if len(text) > WHOLE_CHARS:
            break
    yield text.strip("\n")


async def _single(content: str) -> AsyncIterator[str]:
    yield content


def _columns() -> int | None:
    return columns_of(sys.stdout)


def _when_reader_closes(quit_now: Callable[[], None]) -> None:
    """Quit as soon as the reader of a pipe closes it, not only when the next message can't be written."""
    with suppress(OSError, ValueError, NotImplementedError):
        descriptor = sys.stdout.fileno()
        if stat.S_ISFIFO(os.fstat(descriptor).st_mode):
            loop = asyncio.get_running_loop()

            def closed() -> None:
                loop.remove_reader(descriptor)
                quit_now()

            loop.add_reader(descriptor, closed)
