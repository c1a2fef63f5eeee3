"""What each slash command does, in whichever face it was typed.

`client.faces.slash_parser` says what a line means; a face is a `CommandHost` here, and is told the rest by notes.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextvars import copy_context
from typing import Protocol

from chatterbox.wire import frames
from client.context import ClientContext
from client.core.client_state import ConnectionPhase
from client.faces.background_jobs import BackgroundJobs
from client.faces.slash_parser import TypedCommand, help_lines, room_word
from client.net import http_jobs
from client.net.chat_connection import ChatConnection
from client.store.name_cache import NameCache
from client.text import note_text
from client.text.sanitize import inert, inert_name

NO_TOPIC = "-"
"""What is typed to take a topic away."""


class CommandHost(Protocol):
    """What a face must have for slash commands to be carried out in it."""

    connection: ChatConnection

    @property
    def room(self) -> str | None:
        """The room that is shown."""

    @property
    def heard(self) -> Mapping[str, str]:
        """Who was heard in it, with the timestamp of the last word."""

    def go_to(self, room: str) -> None:
        """Show a room, and enter it first if need be."""

    def notice(self, text: str) -> None:
        """Show a word of the client's own; `text` is inert."""

    def log_out(self) -> None:
        """End, and end this session after that: the other way round it would look like somebody else's doing."""


class SlashCommands:
    """Carries out the commands of one face. The face itself ends at `/quit`, which has no meaning here."""

    def __init__(self, stage: CommandHost, place: ClientContext, known: NameCache) -> None:
        self.place = place
        self.known = known
        self._stage = stage
        self._background = BackgroundJobs(stage.notice)
        self._deeds: dict[str, Callable[..., None]] = {
            "join": lambda room: stage.go_to(room_word(room)),
            "leave": self._leave,
            "rooms": lambda: stage.connection.ask(frames.ListRooms(id=0)),
            "create": self._create,
            "invite": self._invite,
            "topic": self._topic,
            "members": self._members,
            "who": self._who,
            "sessions": self._sessions,
            "logout": self.end_session,
            "status": self._status,
            "help": self._help,
        }

    def in_background(self, work: Callable[[], list[str]]) -> None:
        """Do what the server must be waited for, and tell its lines."""
        self._background.do(work)

    def end_session(self, session: str) -> None:
        """End a session, by the beginning of its id, or all others."""
        loop, context = asyncio.get_running_loop(), copy_context()

        def log_out() -> None:
            loop.call_soon_threadsafe(self._stage.log_out, context=context)

        self.in_background(lambda: [http_jobs.end_session(self.place, session, self.known, log_out)])

    def carry_out(self, call: TypedCommand) -> None:
        """Do what was typed; how it went is told by notices and notes."""
        self._deeds[call.name](*call.words)

    def _leave(self, room: str | None = None) -> None:
        if (name := self._room(room, "/leave")) is not None:
            self._stage.connection.ask(frames.Leave(id=0, room=name))

    def _create(self, room: str, private: str = "") -> None:
        self._stage.connection.ask(frames.CreateRoom(id=0, room=room_word(room), private=bool(private)))

    def _invite(self, username: str, room: str | None = None) -> None:
        if (name := self._room(room, "/invite USERNAME")) is not None:
            self._stage.connection.ask(frames.Invite(id=0, room=name, username=username.removeprefix("@")))

    def _topic(self, text: str | None = None) -> None:
        room = self._stage.room
        if room is None:
            self._stage.notice("You are in no room: /join ROOM goes into one.")
        elif text is None:
            self._stage.notice(self._topic_of(room))
        else:
            self._stage.connection.ask(frames.SetTopic(id=0, room=room, topic="" if text == NO_TOPIC else text))

    def _topic_of(self, room: str) -> str:
        state = self._stage.connection.state
        if topic := state.topics.get(room):
            return note_text.topic_line(room, topic)
        if state.phase is not ConnectionPhase.LIVE:
            return f"What #{inert_name(room)} is about is not known before there is a connection."
        return f"{note_text.topic_line(room, '')} To say one: /topic TEXT"

    def _members(self, room: str | None = None) -> None:
        if (name := self._room(room, "/members")) is None:
            return

        def ask() -> list[str]:
            names = http_jobs.members(self.place, name, self.known)
            return [f"In #{inert_name(name)} ({len(names)}): {', '.join(names)}"]

        self.in_background(ask)

    def _who(self) -> None:
        names = [f"{inert_name(name)} ({note_text.clock(at)})" for name, at in sorted(self._stage.heard.items())]
        self._stage.notice(f"Heard here: {', '.join(names)}." if names else "Nobody has been heard here yet.")

    def _sessions(self) -> None:
        self.in_background(lambda: http_jobs.sessions(self.place, self.known))

    def _status(self) -> None:
        state = self._stage.connection.state
        self._stage.notice(
            f"You are {inert_name(state.username) if state.username else 'not connected yet'}, "
            f"at {inert(self.place.server)}, {state.phase}. Not sent yet: {state.unsent_count}."
        )

    def _help(self, name: str | None = None) -> None:
        for line in help_lines(name):
            self._stage.notice(inert(line))

    def _room(self, word: str | None, usage: str) -> str | None:
        """The room that a command is about: the one named, else the one that is shown; a notice if there is none."""
        room = room_word(word) if word is not None else self._stage.room
        if room is None:
            self._stage.notice(f"You are in no room; {usage} ROOM names one.")
        return room
