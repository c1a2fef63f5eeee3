"""Carries out the slash commands that are no requests to the connection, for every face.

A face implements `CommandHost` to use it; `client.faces.slash_parser` parses the lines.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextvars import copy_context
from typing import Protocol, assert_never

from client.context import ClientContext
from client.core.client_state import ConnectionPhase
from client.faces.background_jobs import BackgroundJobs
from client.faces.slash_parser import LocalCommand, LocalCommandName, help_lines
from client.net import http_jobs
from client.net.chat_connection import ChatConnection
from client.store.name_cache import NameCache
from client.text import note_text
from client.text.sanitize import inert, inert_name


class CommandHost(Protocol):
    """What a face must have for slash commands to be carried out in it."""

    connection: ChatConnection

    @property
    def room(self) -> str | None:
        """The room that is shown."""

    @property
    def heard(self) -> Mapping[str, str]:
        """Who was heard in it, with the timestamp of the last word."""

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

    def in_background(self, work: Callable[[], list[str]]) -> None:
        """Do what the server must be waited for, and tell its lines."""
        self._background.do(work)

    def end_session(self, session: str) -> None:
        """End a session, by the beginning of its id, or all others."""
        loop, context = asyncio.get_running_loop(), copy_context()

        def log_out() -> None:
            loop.call_soon_threadsafe(self._stage.log_out, context=context)

        self.in_background(lambda: [http_jobs.end_session(self.place, session, self.known, log_out)])

    def carry_out(self, command: LocalCommand) -> None:
        """Run a command; its result is shown as notices."""
        match command.name:
            case LocalCommandName.TOPIC:
                self._stage.notice(self._topic_of(command.argument))
            case LocalCommandName.MEMBERS:
                self._members(command.argument)
            case LocalCommandName.WHO:
                self._who()
            case LocalCommandName.SESSIONS:
                self.in_background(lambda: http_jobs.sessions(self.place, self.known))
            case LocalCommandName.LOGOUT:
                self.end_session(command.argument)
            case LocalCommandName.STATUS:
                self._status()
            case LocalCommandName.HELP:
                self._help(command.argument)
            case _:
                assert_never(command.name)

    def _topic_of(self, room: str) -> str:
        state = self._stage.connection.state
        if topic := state.topics.get(room):
            return note_text.topic_line(room, topic)
        if state.phase is not ConnectionPhase.LIVE:
            return f"What #{inert_name(room)} is about is not known before there is a connection."
        return f"{note_text.topic_line(room, '')} To say one: /topic TEXT"

    def _members(self, room: str) -> None:
        def ask() -> list[str]:
            names = http_jobs.members(self.place, room, self.known)
            return [f"In #{inert_name(room)} ({len(names)}): {', '.join(names)}"]

        self.in_background(ask)

    def _who(self) -> None:
        names = [f"{inert_name(name)} ({note_text.clock(at)})" for name, at in sorted(self._stage.heard.items())]
        self._stage.notice(f"Heard here: {', '.join(names)}." if names else "Nobody has been heard here yet.")

    def _status(self) -> None:
        state = self._stage.connection.state
        self._stage.notice(
            f"You are {inert_name(state.username) if state.username else 'not connected yet'}, "
            f"at {inert(self.place.server)}, {state.phase}. Not sent yet: {state.unsent_count}."
        )

    def _help(self, name: str) -> None:
        for line in help_lines(name):
            self._stage.notice(inert(line))
