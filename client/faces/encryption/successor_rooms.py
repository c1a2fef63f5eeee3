"""Carries out `/encrypt`: makes the encrypted successor of a plain private room, over the face's connection."""

import asyncio
from collections.abc import Callable
from contextvars import copy_context
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Protocol

from chatterbox.wire import frames, room_names
from chatterbox.wire.errors import Code
from client.core import notes
from client.core.client_state import ConnectionPhase
from client.core.direct_rooms import is_direct
from client.core.events import CommandRequested, SendRequested
from client.encryption.message_encryption import WaitReason
from client.faces.background_jobs import BackgroundJobs
from client.net.chat_connection import ChatConnection
from client.text.encryption import encrypted_room_text as text
from client.text.suggestions import unlisted_room

WITHOUT_KEYS = {Code.USER_UNKNOWN.value, WaitReason.NO_KEYS.value}
"""How an invitation of a user without keys is refused."""


class SuccessorHost(Protocol):
    """What a face provides."""

    connection: ChatConnection

    def notice(self, text: str) -> None:
        """Show a notice of the client; `text` is inert."""

    def send_message(self, message: SendRequested) -> None:
        """Send a message, and report one that can't be queued."""


class _Step(Enum):
    """What is waited for."""

    LIST = auto()
    MEMBERS = auto()
    CREATED = auto()
    INVITED = auto()


@dataclass(slots=True)
class _Successor:
    old: str
    new: str
    step: _Step = _Step.LIST
    to_invite: list[str] = field(default_factory=list)
    invited: list[str] = field(default_factory=list)
    without_keys: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)


class SuccessorRooms:
    """Makes one successor at a time. `usernames` asks the server for the members of a room, in a thread."""

    def __init__(self, host: SuccessorHost, jobs: BackgroundJobs, usernames: Callable[[str], list[str]]) -> None:
        self._host = host
        self._jobs = jobs
        self._usernames = usernames
        self._successor: _Successor | None = None

    def begin(self, room: str) -> None:
        """Make the successor of `room`, unless something speaks against it."""
        state = self._host.connection.state
        if is_direct(room):
            self._host.notice(text.DIRECT)
        elif room_names.is_encrypted(room):
            self._host.notice(text.encrypted_already(room))
        elif state.phase is not ConnectionPhase.LIVE:
            self._host.notice(text.OFFLINE)
        elif not state.encryption.is_possible:
            self._host.notice(text.UNSUPPORTED)
        elif self._successor is not None:
            self._host.notice(text.BUSY)
        else:
            self._successor = _Successor(room, room_names.encrypted_name(room))
            self._request(frames.ListRooms(id=0))

    def take(self, note: notes.Note) -> bool:
        """Take a note before the face does; returns whether it is about this alone, and the face need not show it."""
        successor = self._successor
        if successor is None:
            return False
        match successor.step, note:
            case _, notes.Disconnected() | notes.SessionOver():
                self._successor = None
                self._host.notice(text.OFFLINE if successor.step is not _Step.INVITED else self._summary(successor))
            case _Step.LIST, notes.CommandAnswered(_, frames.RoomList(rooms=rooms)):
                self._take_list(successor, rooms)
                return True
            case _Step.CREATED, notes.CommandAnswered(frames.CreateRoom(room=room)) if room == successor.new:
                successor.step = _Step.INVITED
                self._invite_next(successor)
            case _Step.CREATED, notes.CommandRefused(frames.CreateRoom(room=room)) if room == successor.new:
                self._successor = None
            case _Step.INVITED, notes.CommandAnswered(frames.Invite(room=room, username=name)) if (
                room == successor.new and successor.to_invite[:1] == [name]
            ):
                successor.invited.append(successor.to_invite.pop(0))
                self._invite_next(successor)
                return True
            case _Step.INVITED, notes.CommandRefused(frames.Invite(room=room, username=name), code) if (
                room == successor.new and successor.to_invite[:1] == [name]
            ):
                refused = successor.without_keys if code in WITHOUT_KEYS else successor.failed
                refused.append(successor.to_invite.pop(0))
                self._invite_next(successor)
                return True
            case _:
                pass  # it is about something else
        return False

    def _request(self, command: frames.Command) -> None:
        self._host.connection.request(CommandRequested(command))

    def _refuse(self, sentence: str) -> None:
        self._successor = None
        self._host.notice(sentence)

    def _take_list(self, successor: _Successor, rooms: list[frames.RoomSummary]) -> None:
        """Look whether there is such a room, and whether it may have a successor."""
        by_name = {room.room: room for room in rooms}
        old, new = by_name.get(successor.old), by_name.get(successor.new)
        if old is None or not old.member:
            self._refuse(unlisted_room(successor.old, list(by_name)))
        elif not old.private:
            self._refuse(text.public_line(successor.old))
        elif new is not None:
            self._refuse(text.exists_already(successor.new, is_member=new.member))
        else:
            successor.step = _Step.MEMBERS
            self._ask_members(successor)

    def _ask_members(self, successor: _Successor) -> None:
        loop, variables = asyncio.get_running_loop(), copy_context()

        def ask() -> list[str]:
            found: list[str] | None = None
            try:
                found = self._usernames(successor.old)
            finally:
                loop.call_soon_threadsafe(self._create, successor, found, context=variables)
            return []

        self._jobs.start(ask)

    def _create(self, successor: _Successor, members: list[str] | None) -> None:
        """Create the room; without the members, which the job reported, there is no use in it."""
        if self._successor is not successor:
            return
        if members is None:
            self._successor = None
            return
        me = self._host.connection.state.username
        successor.to_invite = [name for name in members if name != me]
        successor.step = _Step.CREATED
        self._host.notice(text.before_successor(successor.old, successor.new, len(successor.to_invite)))
        self._request(frames.CreateRoom(id=0, room=successor.new, private=True))

    def _invite_next(self, successor: _Successor) -> None:
        """Invite the next member, one after the other, as each entry of the member log follows the one before."""
        if successor.to_invite:
            self._request(frames.Invite(id=0, room=successor.new, username=successor.to_invite[0]))
            return
        self._successor = None
        self._host.send_message(SendRequested(successor.old, text.successor_message(successor.new)))
        self._host.notice(self._summary(successor))

    def _summary(self, successor: _Successor) -> str:
        failed = [*successor.failed, *successor.to_invite]
        return " ".join(
            text.after_successor(successor.old, successor.new, successor.invited, successor.without_keys, failed)
        )
