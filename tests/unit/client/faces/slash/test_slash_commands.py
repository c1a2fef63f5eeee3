"""Slash commands, in whichever face they are typed."""

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from chatterbox.wire import frames
from chatterbox.wire.read_state import NotificationLevel
from client.config.config_schema import Config, NotificationSettings, NotifyLevel
from client.context import ClientContext
from client.core import notes
from client.core.client_state import ClientState
from client.faces import background_jobs
from client.faces.slash.slash_commands import SlashCommands
from client.faces.slash.slash_parser import LocalCommand, LocalCommandName
from client.failures import ServerRefused
from client.net import http_jobs
from client.store.name_cache import NameCache
from tests.unit.client.faces.face import Face
from tests.unit.client.world import Core, message, room_state, told


@pytest.fixture
def face(tmp_path: Path) -> Face:
    return Face(tmp_path)


async def test_slash_commands_become_frames(face: Face) -> None:
    assert await face.type("/rooms", "/create #Ops private", "/create dev", "/invite @bob", "/leave", "/join #Ops") == [
        frames.ListRooms(id=0),
        frames.CreateRoom(id=0, room="ops", private=True),
        frames.CreateRoom(id=0, room="dev"),
        frames.Invite(id=0, room="general", username="bob"),
        frames.Leave(id=0, room="general"),
        "enter ops",
    ]


async def test_slash_commands_accept_another_room(face: Face) -> None:
    assert await face.type("/invite bob #ops", "/leave ops") == [
        frames.Invite(id=0, room="ops", username="bob"),
        frames.Leave(id=0, room="ops"),
    ]


async def test_slash_commands_without_an_open_room_print_their_usage(face: Face) -> None:
    face.lines.room = None
    assert await face.type("/leave", "/invite bob", "/members") == []
    assert face.shown == [
        "-- No room open. Usage: /leave ROOM [confirm]",
        "-- No room open. Usage: /invite USERNAME ROOM",
        "-- No room open. Usage: /members ROOM",
    ]


async def test_topic_command_shows_sets_and_clears(face: Face) -> None:
    face.connection.state = replace(face.connection.state, topics={"general": "engines \x1b[2J"})
    assert await face.type("/topic", "/topic steam, and  coal", "/topic -") == [
        frames.SetTopic(id=0, room="general", topic="steam, and  coal"),
        frames.SetTopic(id=0, room="general", topic=""),
    ]
    assert face.shown == ["-- Topic of #general: engines ␛[2J"]


async def test_topic_command_without_a_topic_says_how_to_set_one(face: Face) -> None:
    await face.type("/topic")
    face.connection.state = ClientState()
    await face.type("/topic")
    face.lines.room = None
    await face.type("/topic")
    assert face.shown == [
        "-- #general has no topic. To set one: /topic TEXT",
        "-- Offline: the topic of #general is not known yet.",
        "-- No room open. /join ROOM",
    ]


async def test_status_who_and_help_print_at_once(face: Face) -> None:
    face.show(notes.MessageShown(message(1), mine=False))
    await face.type("/who", "/status", "/help invite")
    assert face.shown[-3].startswith("-- Active here: bob (")
    assert face.shown[-2] == "-- alice at http://x (live). Unsent messages: 0."
    assert face.shown[-1].startswith("-- /invite USERNAME [ROOM]")


async def test_reconnect_command_connects_at_once_while_offline(face: Face) -> None:
    assert await face.type("/reconnect") == []
    face.connection.state = ClientState()
    assert await face.type("/reconnect") == ["try now"]
    assert face.shown == ["-- Already connected.", "-- Connecting now."]


async def test_long_wait_before_reconnecting_names_the_command_to_try_now(face: Face) -> None:
    short = face.show(notes.Disconnected("cut", 0.1, 0, was_live=True, repeated=False))
    long = face.show(notes.Disconnected("refused", 19.0, 0, was_live=False, repeated=False))
    assert short == ["-- Connection lost: cut. Retrying in 0.1 s."]
    assert long == ["-- Can't reach http://x: refused. Retrying in 19 s. To try now: /reconnect"]


async def test_members_and_sessions_are_printed_when_they_arrive(face: Face, monkeypatch: pytest.MonkeyPatch) -> None:
    def members(_: ClientContext, room: str, __: NameCache) -> list[str]:
        return ["alice", "bob"] if room == "general" else []

    def sessions(_: ClientContext, __: NameCache) -> list[str]:
        return ["5b1c  laptop"]

    def end(_: ClientContext, beginning: str, *__: object) -> str:
        raise ServerRefused(f"No session of yours has the id {beginning}.")

    monkeypatch.setattr(http_jobs, "usernames", members)
    monkeypatch.setattr(http_jobs, "sessions", sessions)
    monkeypatch.setattr(http_jobs, "end_session", end)
    await face.type("/members", "/sessions", "/logout 9999")
    await face.until_shown("-- Members of #general (2): alice, bob")
    await face.until_shown("-- 5b1c  laptop")
    await face.until_shown("-- No session of yours has the id 9999.")


async def test_logging_out_this_session_ends_the_chat_first(face: Face, monkeypatch: pytest.MonkeyPatch) -> None:
    def end(_: ClientContext, __: str, ___: NameCache, log_out: Callable[[], None]) -> str:
        log_out()
        return "Logging out."

    monkeypatch.setattr(http_jobs, "end_session", end)
    await face.type("/logout 5b1c")
    await face.until_shown("-- Logging out.")
    assert face.lines.logout_requested
    assert face.connection.done == ["quit"]


class TestUnread:
    async def test_rooms_with_unread_messages_are_listed_those_with_mentions_first(self, face: Face) -> None:
        core = Core()
        core.live(told(9, 5, unread=4), told(7, 2, room="ops", unread=3, mentions=1), told(3, 3, room="dev"))
        face.connection.state = core.state
        await face.type("/unread")
        assert face.shown == ["-- #ops      3 unread, 1 mention", "-- #general  4 unread"]

    async def test_message_that_came_since_is_counted(self, face: Face) -> None:
        core = Core()
        core.live(told(9, 9))
        core.came(message(10))
        face.connection.state = core.state
        await face.type("/unread")
        assert face.shown == ["-- #general  1 unread"]

    async def test_nothing_unread_is_said(self, face: Face) -> None:
        core = Core()
        core.live(told(9, 9))
        face.connection.state = core.state
        await face.type("/unread")
        assert face.shown == ["-- No unread messages."]

    async def test_older_server_is_said_not_to_tell(self, face: Face) -> None:
        core = Core()
        core.live(room_state(9))
        face.connection.state = core.state
        await face.type("/unread")
        assert face.shown == ["-- What is unread is not known: offline, or the server is older than this client."]


class TestNotify:
    async def test_level_of_the_open_room_is_shown(self, face: Face) -> None:
        core = Core()
        state = msgspec.structs.replace(told(9, 9), notify=NotificationLevel.MENTIONS, until="2026-12-01T08:30:00Z")
        core.live(state)
        face.connection.state = core.state
        await face.type("/notify")
        (line,) = face.shown
        assert line.startswith("-- #general notifies you of mentions only. Silent until 2026-")

    async def test_level_is_set_for_all_devices(self, face: Face) -> None:
        assert await face.type("/notify mentions", "/notify default") == [
            frames.Notify(id=0, room="general", level=NotificationLevel.MENTIONS),
            frames.Notify(id=0, room="general", level=NotificationLevel.CLIENT),
        ]

    async def test_room_is_silent_for_a_time_and_keeps_its_level(self, face: Face) -> None:
        core = Core()
        core.live(msgspec.structs.replace(told(9, 9), notify=NotificationLevel.MENTIONS))
        face.connection.state = core.state
        before = datetime.now(UTC)
        (notify,) = await face.type("/notify none for 2h")
        assert isinstance(notify, frames.Notify)
        assert notify.level is NotificationLevel.MENTIONS
        until = datetime.fromisoformat(notify.until)
        assert before + timedelta(hours=2, seconds=-1) <= until <= datetime.now(UTC) + timedelta(hours=2)

    async def test_configuration_file_that_wins_over_the_level_is_named(self, face: Face, tmp_path: Path) -> None:
        config = Config(notices=NotificationSettings(rooms={"general": NotifyLevel.ALL}))
        commands = SlashCommands(face.lines, ClientContext("http://x", tmp_path, config), face.known)
        for argument in ("", "none"):
            commands.carry_out(LocalCommand(LocalCommandName.NOTIFY, argument, "general"))
        wins = (
            "-- On this computer, notices.rooms in the configuration file sets #general to all, which counts instead."
        )
        assert [line for line in face.shown if "configuration file" in line] == [wins, wins]
        commands.use_notices(NotificationSettings())
        face.shown.clear()
        commands.carry_out(LocalCommand(LocalCommandName.NOTIFY, "none", "general"))
        assert face.shown == []

    async def test_level_that_was_set_is_confirmed(self, face: Face) -> None:
        reply = frames.NotifySet(id=1, room="general", level=NotificationLevel.NONE)
        command = frames.Notify(id=1, room="general", level=NotificationLevel.NONE)
        assert face.show(notes.CommandAnswered(command, reply)) == ["-- #general notifies you of nothing."]


async def test_background_jobs_are_limited(face: Face, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = threading.Event()

    def members(*_: object) -> list[str]:
        answer.wait(5)
        return ["alice"]

    monkeypatch.setattr(http_jobs, "usernames", members)
    await face.type(*["/members"] * (background_jobs.MAX_JOBS + 1))
    assert face.shown == ["-- Too many requests are running. Try again when one has finished."]
    answer.set()
    await face.until_shown("Members of #general")


async def test_exception_in_a_background_job_is_reported(face: Face, monkeypatch: pytest.MonkeyPatch) -> None:
    def sessions(*_: object) -> list[str]:
        raise ZeroDivisionError("\x1b[2J")

    monkeypatch.setattr(http_jobs, "sessions", sessions)
    await face.type("/sessions")
    await face.until_shown("Internal error: ZeroDivisionError: ␛[2J")


@pytest.mark.parametrize("name", LocalCommandName)
async def test_every_local_command_can_be_carried_out(
    name: LocalCommandName, face: Face, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for job in ("usernames", "sessions"):
        monkeypatch.setattr(http_jobs, job, lambda *_: [])
    monkeypatch.setattr(http_jobs, "end_session", lambda *_: "Logged out.")
    commands = SlashCommands(face.lines, ClientContext("http://x", tmp_path), face.known)
    commands.carry_out(LocalCommand(name, "all" if name is LocalCommandName.NOTIFY else "x"))
