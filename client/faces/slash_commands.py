"""Carries out the slash commands that are no requests to the connection, for every face.

A face implements `CommandHost` to use it; `client.faces.slash_parser` parses the lines.
"""

import asyncio
from collections.abc import Mapping
from contextvars import copy_context
from typing import Protocol, assert_never

from client.context import ClientContext
from client.core.client_state import ConnectionPhase
from client.core.outbox_entry import OutboxEntry
from client.faces.background_jobs import BackgroundJobs
from client.faces.slash_parser import LocalCommand, LocalCommandName, help_lines
from client.failures import Failure
from client.net import http_jobs
from client.net.chat_connection import ChatConnection
from client.store.name_cache import NameCache
from client.text import note_text
from client.text.outbox_text import BEING_SENT, dropped_line, outbox_lines
from client.text.room_names import shown_room
from client.text.sanitize import inert, inert_name


class CommandHost(Protocol):
    """What a face provides for slash commands."""

    connection: ChatConnection

    @property
    def speakers(self) -> Mapping[str, str]:
        """Who spoke in the open room, with the timestamp of their last message."""

    def notice(self, text: str) -> None:
        """Show a notice of the client; `text` is inert."""

    def log_out(self) -> None:
        """End the chat, then this session: in the other order, the session would seem to be ended from elsewhere."""


class SlashCommands:
    """Carries out the local commands of one face."""

    def __init__(self, host: CommandHost, context: ClientContext, cache: NameCache) -> None:
        self.context = context
        self.cache = cache
        self._host = host
        self._jobs = BackgroundJobs(host.notice)

    def end_session(self, session: str) -> None:
        """End the session whose id starts with `session`, or all others, in the background."""
        loop, variables = asyncio.get_running_loop(), copy_context()

        def log_out() -> None:
            loop.call_soon_threadsafe(self._host.log_out, context=variables)

        self._jobs.start(lambda: [http_jobs.end_session(self.context, session, self.cache, log_out)])

    def carry_out(self, command: LocalCommand) -> None:
        """Run a command; its result is shown as notices."""
        match command.name:
            case LocalCommandName.TOPIC:
                self._host.notice(self._topic_of(command.argument))
            case LocalCommandName.MEMBERS:
                self._members(command.argument)
            case LocalCommandName.INVITATIONS:
                self._jobs.start(lambda: http_jobs.invitations(self.context) or ["You have no invitations."])
            case LocalCommandName.DECLINE:
                self._jobs.start(lambda: [http_jobs.decline(self.context, command.argument)])
            case LocalCommandName.BLOCK if not command.argument:
                self._jobs.start(lambda: [_blocked(http_jobs.blocks(self.context))])
            case LocalCommandName.BLOCK:
                self._jobs.start(lambda: [http_jobs.block(self.context, command.argument)])
            case LocalCommandName.UNBLOCK:
                self._jobs.start(lambda: [http_jobs.unblock(self.context, command.argument)])
            case LocalCommandName.WRITES:
                self._jobs.start(lambda: [http_jobs.writers(self.context, command.argument)])
            case LocalCommandName.WHO:
                self._who()
            case LocalCommandName.SESSIONS:
                self._jobs.start(lambda: http_jobs.sessions(self.context, self.cache))
            case LocalCommandName.LOGOUT:
                self.end_session(command.argument)
            case LocalCommandName.PASSWORD:
                self._host.notice(f"To change your password, run in a shell: {self._passwd()}")
            case LocalCommandName.STATUS:
                self._status()
            case LocalCommandName.RECONNECT:
                self._reconnect()
            case LocalCommandName.OUTBOX:
                self._outbox(command.argument)
            case LocalCommandName.HELP:
                self._help(command.argument)
            case _:
                assert_never(command.name)

    def _topic_of(self, room: str) -> str:
        state = self._host.connection.state
        if topic := state.topics.get(room):
            return note_text.topic_line(room, topic)
        if state.phase is not ConnectionPhase.LIVE:
            return f"Offline: the topic of {shown_room(room)} is not known yet."
        return f"{note_text.topic_line(room, '')} To set one: /topic TEXT"

    def _members(self, room: str) -> None:
        def job() -> list[str]:
            names = http_jobs.members(self.context, room, self.cache)
            return [f"Members of {shown_room(room)} ({len(names)}): {', '.join(names)}"]

        self._jobs.start(job)

    def _who(self) -> None:
        names = [f"{inert_name(name)} ({note_text.clock(at)})" for name, at in sorted(self._host.speakers.items())]
        self._host.notice(f"Active here: {', '.join(names)}." if names else "Nobody has spoken here yet.")

    def _passwd(self) -> str:
        return inert(self.context.session_file.command("passwd"))

    def _status(self) -> None:
        state = self._host.connection.state
        self._host.notice(
            f"{inert_name(state.username) if state.username else 'Not connected yet'} at {inert(self.context.server)} "
            f"({state.phase}). Unsent messages: {state.unsent_count}."
        )

    def _outbox(self, short_id: str) -> None:
        """List the unsent messages of this chat, or delete one."""
        connection = self._host.connection
        entries = [entry for waiting in connection.state.unsent.values() for entry in waiting]
        if not short_id:
            for line in outbox_lines(entries) or ["No unsent messages."]:
                self._host.notice(line)
            return
        found = [entry for entry in entries if entry.short_id == short_id]
        self._host.notice(self._dropped(found[0]) if found else f"No unsent message {inert(short_id[:64])}.")

    def _dropped(self, entry: OutboxEntry) -> str:
        try:
            dropped = self._host.connection.take_back(entry.key)
        except Failure as failure:
            return inert(str(failure))
        return dropped_line(entry) if dropped is not None else BEING_SENT

    def _reconnect(self) -> None:
        connection = self._host.connection
        if connection.state.phase is ConnectionPhase.LIVE:
            self._host.notice("Already connected.")
        else:
            connection.try_now()
            self._host.notice("Connecting now.")

    def _help(self, name: str) -> None:
        for line in help_lines(name):
            self._host.notice(inert(line))


def _blocked(names: list[str]) -> str:
    if not names:
        return "You have blocked no one."
    return f"You get no invitations and direct messages from: {', '.join(names)}."
