"""Carries out the slash commands about other users and about oneself, for every face."""

import asyncio
from collections.abc import Callable, Mapping
from contextvars import copy_context
from datetime import UTC, datetime
from typing import Any, Protocol

from chatterbox.wire.frames import Watch
from client.context import ClientContext
from client.core.client_state import ConnectionPhase
from client.core.events import AwaySet, CommandRequested, Request
from client.encryption.message_encryption import RoomMembers
from client.faces.background_jobs import BackgroundJobs
from client.faces.people.self_settings import SettingMistake, privacy_changes, profile_changes, status_changes
from client.net import http_jobs, people_jobs
from client.net.chat_connection import ChatConnection
from client.net.http_api import UserSettings
from client.store.name_cache import NameCache
from client.text import note_text
from client.text.encryption.encrypted_room_text import without_keys_lines
from client.text.people_text import OLDER_SERVER, typing_line
from client.text.room_text import shown_room
from client.text.sanitize import inert, inert_name


class PeopleHost(Protocol):
    """What a face provides for these commands."""

    connection: ChatConnection

    @property
    def speakers(self) -> Mapping[str, str]:
        """Who spoke in the open room, with the timestamp of their last message."""

    def notice(self, text: str) -> None:
        """Show a notice of the client; `text` is inert."""


class PeopleCommands:
    """The commands of one face: `/who`, `/whois`, `/away`, `/back`, `/status TEXT`, `/profile`, `/privacy`."""

    def __init__(self, host: PeopleHost, context: ClientContext, cache: NameCache, jobs: BackgroundJobs) -> None:
        self._host = host
        self._context = context
        self._cache = cache
        self._jobs = jobs

    def set_away(self, *, is_away: bool) -> None:
        """Be shown as away, or no longer."""
        connection = self._host.connection
        if connection.state.people.queue.supported is False:
            self._host.notice(OLDER_SERVER)
            return
        connection.request(AwaySet(is_away))
        self._host.notice("You are shown as away until /back." if is_away else "You are no longer shown as away.")

    def set_status(self, typed: str) -> None:
        """Tell others what the user is doing."""
        self._change(status_changes(typed, datetime.now(UTC).astimezone()), people_jobs.status)

    def profile(self, typed: str) -> None:
        """Show the own profile, or change it."""
        self._change(profile_changes(typed), people_jobs.profile)

    def privacy(self, typed: str) -> None:
        """Show what others see of what the user does, or change it."""
        self._change(privacy_changes(typed), people_jobs.privacy)

    def who(self, room: str) -> None:
        """Tell who of a room has spoken, who is typing, and who is here."""
        names = [f"{inert_name(name)} ({note_text.clock(at)})" for name, at in sorted(self._host.speakers.items())]
        self._host.notice(f"Active here: {', '.join(names)}." if names else "Nobody has spoken here yet.")
        state = self._host.connection.state
        people = state.people
        if room and room == people.room and (line := typing_line(people.typing.who, people.typing.more)):
            self._host.notice(line)
        if room and state.phase is ConnectionPhase.LIVE and people.queue.supported is not False:
            request, keys = self._in_loop(), self._host.connection.members_from_thread(room)
            self._jobs.start(lambda: self._ask_presence(room, request, keys))

    def whois(self, username: str) -> None:
        """Ask for the presence and the profile of a user; the face shows the reply."""
        self._host.connection.request(CommandRequested(Watch(id=0, usernames=(username,))))

    def _ask_presence(
        self, room: str, request: Callable[[Request], None], keys: Callable[[], RoomMembers | None]
    ) -> list[str]:
        """Ask for the presence of a room's members; the face shows the reply. Runs in a thread.

        `keys`: of an encrypted room, who its members are by its member log. Those who get no keys are named.
        """
        state = self._host.connection.state
        members = http_jobs.usernames(self._context, room, self._cache)
        others = [name for name in members if name != state.username]
        known = keys()
        without_keys = without_keys_lines(others, known.members) if known is not None else []
        if not others:
            return [f"You are the only member of {shown_room(room)}."]
        most = state.limits.watch_people
        request(CommandRequested(Watch(id=0, usernames=tuple(others[:most]))))
        return without_keys + (
            [f"Of {len(others)} other members, the presence of {most}:"] if len(others) > most else []
        )

    def _change(self, changes: dict[str, Any] | SettingMistake, lines: Callable[[UserSettings], list[str]]) -> None:
        """Change settings in the background, then show them."""
        if isinstance(changes, SettingMistake):
            self._host.notice(inert(changes.sentence))
            return
        self._jobs.start(lambda: lines(people_jobs.changed(self._context, changes)))

    def _in_loop(self) -> Callable[[Request], None]:
        """A function that makes a request of the connection from any thread."""
        loop, variables = asyncio.get_running_loop(), copy_context()

        def request(requested: Request) -> None:
            loop.call_soon_threadsafe(self._host.connection.request, requested, context=variables)

        return request
