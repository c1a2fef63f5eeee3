"""Carries out the slash commands that are no requests to the connection, for every face.

A face implements `CommandHost` to use it; `client.faces.slash_parser` parses the lines.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextvars import copy_context
from datetime import UTC, datetime, timedelta
from typing import Protocol, assert_never

from chatterbox.wire.errors import ChatError
from chatterbox.wire.frames import Message, Notify
from chatterbox.wire.read_state import ReadState
from client.config.config_schema import NotificationSettings
from client.context import ClientContext
from client.core import notes
from client.core.client_state import ConnectionPhase
from client.core.events import CommandRequested, SendRequested
from client.core.outbox_entry import OutboxEntry
from client.faces.background_jobs import BackgroundJobs
from client.faces.encryption.key_commands import KeyCommands
from client.faces.encryption.successor_rooms import SuccessorRooms
from client.faces.messages.chat_files import ChatFiles
from client.faces.messages.loaded_search import loaded_lines
from client.faces.messages.message_reference import message_with_files, request_for, split_reference
from client.faces.people.people_commands import PeopleCommands
from client.faces.slash.slash_parser import LocalCommand, LocalCommandName, UsageMistake, help_lines
from client.faces.slash.slash_table import LEVELS
from client.failures import Failure
from client.net import http_jobs
from client.net.chat_connection import ChatConnection
from client.store.name_cache import NameCache
from client.text import note_text
from client.text.encryption.encrypted_room_text import UNREADABLE_TOPIC, member_mark
from client.text.local_time import duration_s, rfc3339
from client.text.outbox_text import BEING_SENT, dropped_line, edited_line, outbox_lines
from client.text.room_text import shown_room
from client.text.sanitize import inert, inert_name
from client.text.unread_text import UnreadRoom, unread_lines

FOUND = 20
"""Messages that `/search` lists at most."""
STOP = "stop"
"""What `/upload` takes to stop transfers."""


class CommandHost(Protocol):
    """What a face provides for slash commands."""

    connection: ChatConnection

    @property
    def speakers(self) -> Mapping[str, str]:
        """Who spoke in the open room, with the timestamp of their last message."""

    def notice(self, text: str) -> None:
        """Show a notice of the client; `text` is inert."""

    def messages_of(self, room: str) -> Sequence[Message]:
        """The messages of a room that the face holds, oldest first."""

    def send_message(self, message: SendRequested) -> None:
        """Send a message, and report one that can't be queued."""

    def log_out(self) -> None:
        """End the chat, then this session: in the other order, the session would seem to be ended from elsewhere."""


class SlashCommands:
    """Carries out the local commands of one face."""

    def __init__(self, host: CommandHost, context: ClientContext, cache: NameCache) -> None:
        self.context = context
        self.cache = cache
        self._host = host
        self._notices = context.config.notices
        self._jobs = BackgroundJobs(host.notice)
        self.files = ChatFiles(context, self._jobs, host.notice, host.send_message)
        self._keys = KeyCommands(host, context, self._jobs)
        self._people = PeopleCommands(host, context, cache, self._jobs)
        self._successors = SuccessorRooms(host, self._jobs, lambda room: http_jobs.usernames(context, room, cache))

    def use_notices(self, settings: NotificationSettings) -> None:
        """The configuration of notifications changed."""
        self._notices = settings

    def end_session(self, session: str) -> None:
        """End the session whose id starts with `session`, or all others, in the background."""
        loop, variables = asyncio.get_running_loop(), copy_context()

        def log_out() -> None:
            loop.call_soon_threadsafe(self._host.log_out, context=variables)

        self._jobs.start(lambda: [http_jobs.end_session(self.context, session, self.cache, log_out)])

    def take(self, note: notes.Note) -> bool:
        """Take a note before the face does; returns whether a command waited for it, and the face need not show it."""
        return self._successors.take(note)

    def show_recovery_key(self) -> None:
        """Show the recovery key, before the user's first encrypted message."""
        self._keys.keys("code")

    def carry_out(self, command: LocalCommand) -> None:
        """Run a command; its result is shown as notices."""
        match command.name:
            case (
                LocalCommandName.EDIT
                | LocalCommandName.DELETE
                | LocalCommandName.REACT
                | LocalCommandName.UNREACT
                | LocalCommandName.REPLY
                | LocalCommandName.THREAD
                | LocalCommandName.PIN
                | LocalCommandName.UNPIN
            ):
                self._about_message(command)
            case LocalCommandName.UPLOAD if command.argument == STOP:
                self.files.stop()
            case LocalCommandName.UPLOAD:
                self.files.upload(command.room, command.argument, self._host.connection.state.limits.file_bytes)
            case LocalCommandName.SAVE:
                self._save(command)
            case LocalCommandName.SEARCH:
                self._search(command)
            case LocalCommandName.TOPIC:
                self._host.notice(self._topic_of(command.argument))
            case LocalCommandName.UNREAD:
                self._list_unread()
            case LocalCommandName.NOTIFY:
                self._notify(command)
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
            case LocalCommandName.VERIFY:
                self._keys.verify(command.argument)
            case LocalCommandName.UNVERIFY:
                self._keys.unverify(command.argument)
            case LocalCommandName.NUMBER:
                self._keys.number(command.argument)
            case LocalCommandName.KEYS:
                self._keys.keys(command.argument)
            case LocalCommandName.WHO:
                self._people.who(command.room)
            case LocalCommandName.WHOIS:
                self._people.whois(command.argument)
            case LocalCommandName.AWAY | LocalCommandName.BACK:
                self._people.set_away(is_away=command.name is LocalCommandName.AWAY)
            case LocalCommandName.PROFILE:
                self._people.profile(command.argument)
            case LocalCommandName.PRIVACY:
                self._people.privacy(command.argument)
            case LocalCommandName.STATUS if command.argument:
                self._people.set_status(command.argument)
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
            case LocalCommandName.ENCRYPT:
                self._successors.begin(command.argument)
            case LocalCommandName.OUTBOX:
                self._outbox(command.argument)
            case LocalCommandName.HELP:
                self._help(command.argument)
            case _:
                assert_never(command.name)

    def _about_message(self, command: LocalCommand) -> None:
        """Change a message that the face holds, or the last one that is not sent yet."""
        connection = self._host.connection
        unsent = connection.state.unsent.get(command.room, ())
        match command:
            case LocalCommand(LocalCommandName.EDIT) if unsent and not split_reference(command.argument)[0]:
                self._edit_unsent(unsent[-1], command.argument)
                return
            case LocalCommand(LocalCommandName.DELETE, "") if unsent:
                self._host.notice(self._dropped(unsent[-1]))
                return
            case _:
                pass  # it is about a message that is stored
        match request_for(command, self._host.messages_of(command.room), connection.state.username):
            case UsageMistake(sentence):
                self._host.notice(inert(sentence))
            case SendRequested() as message:
                self._host.send_message(message)
            case CommandRequested() as request:
                connection.request(request)
            case _ as unexpected:
                assert_never(unexpected)

    def _save(self, command: LocalCommand) -> None:
        """Save the files of a message that the face holds."""
        which, _, path = command.argument.partition(" ")
        match message_with_files(which, self._host.messages_of(command.room)):
            case UsageMistake(sentence):
                self._host.notice(inert(sentence))
            case Message() as message:
                self.files.save(message, path)
            case _ as unexpected:
                assert_never(unexpected)

    def _search(self, command: LocalCommand) -> None:
        """Find messages: in an encrypted room all that this computer has read, else those that the face holds."""
        if not self._host.connection.state.is_encrypted(command.room):
            for line in loaded_lines(self._host.messages_of(command.room), command.argument):
                self._host.notice(line)
            return

        def job() -> list[str]:
            from client.net.search import search_jobs  # late: it needs the key store
            from client.text.encryption.search_text import reach_line, result_lines

            result = search_jobs.search(self.context, command.argument, command.room, limit=FOUND)
            lines = result_lines(result.found, several=False)
            return lines + [reach_line(room, reach) for room, reach in result.reach]

        self._jobs.start(job)

    def _edit_unsent(self, entry: OutboxEntry, text: str) -> None:
        try:
            edited = self._host.connection.edit_unsent(entry.key, text)
        except (ChatError, Failure) as refusal:
            self._host.notice(note_text.not_changed(str(refusal), text))
            return
        if edited is None:
            self._host.notice(note_text.not_changed("The message was sent meanwhile.", text))
        else:
            self._host.notice(edited_line(edited, text))

    def _topic_of(self, room: str) -> str:
        state = self._host.connection.state
        if topic := state.topics.get(room):
            return note_text.topic_line(room, topic)
        if state.phase is not ConnectionPhase.LIVE:
            return f"Offline: the topic of {shown_room(room)} is not known yet."
        if room in state.encryption.unreadable_topics:
            return f"{shown_room(room)} {UNREADABLE_TOPIC}"
        return f"{note_text.topic_line(room, '')} To set one: /topic TEXT"

    def _list_unread(self) -> None:
        """List the rooms with unread messages, as the server counts them."""
        states = self._host.connection.state.read_states
        if all(state.told is None for state in states.values()):
            self._host.notice("What is unread is not known: offline, or the server is older than this client.")
            return
        rooms = [UnreadRoom(room, state.unread, state.mentions) for room, state in states.items()]
        for line in unread_lines(rooms) or ["No unread messages."]:
            self._host.notice(line)

    def _notify(self, command: LocalCommand) -> None:
        """Show of what a room notifies the user, or set it."""
        connection, room = self._host.connection, command.room
        state = connection.state.read_states.get(room)
        told = (state.told if state else None) or ReadState()
        match command.argument.split():
            case []:
                self._host.notice(note_text.notify_line(room, told.notify, told.until))
            case [level]:
                connection.request(CommandRequested(Notify(id=0, room=room, level=LEVELS[level])))
            case [*_, duration]:
                until = datetime.now(UTC) + timedelta(seconds=duration_s(duration) or 0)
                quiet = Notify(id=0, room=room, level=told.notify, until=rfc3339(until))
                connection.request(CommandRequested(quiet))
        if (configured := self._notices.rooms.get(room)) is not None:
            where = f"notices.rooms in the configuration file sets {shown_room(room)} to {configured}"
            self._host.notice(f"On this computer, {where}, which counts instead.")

    def _members(self, room: str) -> None:
        keys, me = self._host.connection.members_from_thread(room), self._host.connection.state.username

        def job() -> list[str]:
            names = http_jobs.usernames(self.context, room, self.cache)
            known = keys()
            marked = [inert_name(name) + (member_mark(name, known.members, me) if known else "") for name in names]
            return [f"Members of {shown_room(room)} ({len(names)}): {', '.join(marked)}"]

        self._jobs.start(job)

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
