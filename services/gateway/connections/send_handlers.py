"""Handlers for messages and their changes: they are checked, and queued for the next batch to history."""

import secrets
import time
from collections.abc import Callable, Coroutine
from typing import Any, NoReturn, Protocol, TypeAlias, assert_never

import msgspec

from chatterbox.wire import direct_names, frames, history_api, room_names, text_rules
from chatterbox.wire.encryption import envelope
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.limits import Limits
from services.gateway.connections.connection import AsyncCommand, Connection
from services.gateway.metrics import GatewayMetrics
from services.gateway.rooms.member import Member
from services.gateway.rooms.room import Room
from services.gateway.upstream.append_batcher import AppendBatcher, PendingChange, PendingSend

ChangeCommand: TypeAlias = frames.Edit | frames.DeleteMessage | frames.React | frames.Pin


class OpenDirect(Protocol):
    """Opens the direct conversation of a member with a user; it is made the first time."""

    async def __call__(self, member: Member, username: str, *, encrypted: bool | None) -> Room: ...


class SendHandlers:
    """Handles commands of welcomed connections; a `ChatError` becomes the reply."""

    def __init__(
        self,
        limits: Limits,
        clock: Callable[[], float],
        batcher: AppendBatcher,
        metrics: GatewayMetrics,
        *,
        find_room: Callable[[Member, str], Room | None],
        refuse_room: Callable[[Member, str], Coroutine[Any, Any, NoReturn]],
        open_direct: OpenDirect,
    ) -> None:
        """`clock` is monotonic seconds; `refuse_room` raises the error about a room that a user is not in."""
        self._limits = limits
        self._clock = clock
        self._batcher = batcher
        self._refused = metrics.sends_refused
        self._find_room = find_room
        self._refuse_room = refuse_room
        self._open_direct = open_direct

    def handle(
        self, connection: Connection, member: Member, command: frames.Send | ChangeCommand
    ) -> AsyncCommand | None:
        """Run `command`: at once, or return a coroutine that does."""
        try:
            if isinstance(command, frames.Send):
                return self._send(connection, member, command)
            return self._change(connection, member, command)
        except ChatError as problem:
            self._refused.inc(problem.code)
            raise

    def _refuse_rate(self, connection: Connection, member: Member, wait_s: float) -> None:
        detail = f"At most {self._limits.sends_per_s:g} messages per second (bursts of {self._limits.sends_burst})."
        connection.on_rate_exceeded(member.sends, wait_s, detail)

    def _send(self, connection: Connection, member: Member, command: frames.Send) -> AsyncCommand | None:
        if (wait_s := member.sends.take(self._clock())) > 0:
            self._refuse_rate(connection, member, wait_s)
        has_envelope = command.recipients is not msgspec.UNSET
        files: tuple[str, ...] = ()
        if command.files is not msgspec.UNSET:
            files = self._files_of(command, has_envelope=has_envelope)
        elif not has_envelope:
            text_rules.content(command.content, self._limits)
        key = (
            text_rules.time_ordered_key(time.time_ns() // 1_000_000, secrets.token_hex(10))
            if command.key is None
            else text_rules.key(command.key, self._limits)
        )
        room = self._find_room(member, command.room)
        if room is None:
            if other := direct_names.peer(command.room, member.username):
                return self._send_first(connection, member, command, key, other)
            return self._refuse_send(member, command.room)
        if has_envelope or room.encrypted:
            self._check_envelope(room, command)
        append = history_api.Append(
            room.room_id,
            member.user_id,
            member.username,
            command.content,
            key,
            command.reply_to or 0,
            files,
            command.recipients or 0,
        )
        self._batcher.put(PendingSend(connection, command.id, room.name, append))
        connection.count_received()
        return None

    def _check_envelope(self, room: Room, command: frames.Send) -> None:
        """Raise unless there is an envelope and the room takes it; history compares the version of the recipients."""
        if command.recipients is msgspec.UNSET:
            raise ChatError(Code.ROOM_ENCRYPTED)
        if not room.encrypted:
            raise ChatError(Code.ROOM_NOT_ENCRYPTED)
        envelope.parse(command.content, self._limits.envelope_bytes)

    def _files_of(self, command: frames.Send, *, has_envelope: bool) -> tuple[str, ...]:
        """The ids of a message's files, whose text may be empty; history knows whether the files can be sent."""
        files = text_rules.file_ids(command.files or (), self._limits)
        if not has_envelope:
            check_text = text_rules.caption if files else text_rules.content
            check_text(command.content, self._limits)
        return files

    def _send_first(
        self, connection: Connection, member: Member, command: frames.Send, key: str, other: str
    ) -> AsyncCommand:
        """Send to a direct conversation that does not exist yet: if it is not encrypted, make it first.

        An envelope can't be for the recipients of a conversation that does not exist.
        """
        if command.recipients is not msgspec.UNSET:
            raise ChatError(Code.ROOM_UNKNOWN, "Open this conversation with `direct`, then get its recipients.")
        if room_names.is_encrypted(command.room):
            raise ChatError(Code.ROOM_ENCRYPTED)
        return self._open_and_send(connection, member, command, key, other)

    async def _open_and_send(
        self, connection: Connection, member: Member, command: frames.Send, key: str, other: str
    ) -> None:
        try:
            room = await self._open_direct(member, other, encrypted=False)
            append = history_api.Append(
                room.room_id,
                member.user_id,
                member.username,
                command.content,
                key,
                command.reply_to or 0,
                command.files or (),
            )
            self._batcher.put(PendingSend(connection, command.id, room.name, append))
            connection.count_received()
        except ChatError as problem:
            self._refused.inc(problem.code)
            raise

    def _change(self, connection: Connection, member: Member, command: ChangeCommand) -> AsyncCommand | None:
        """Change a message: it counts as a message of its sender."""
        if (wait_s := member.sends.take(self._clock())) > 0:
            self._refuse_rate(connection, member, wait_s)
        if isinstance(command, frames.Edit) and command.recipients is msgspec.UNSET:
            text_rules.caption(command.content, self._limits)  # history knows whether the message has files
        room = self._find_room(member, command.room)
        if room is None:
            return self._refuse_send(member, command.room)
        if isinstance(command, frames.Edit | frames.React):
            self._check_encryption(room, command)
        self._batcher.put_change(PendingChange(connection, command.id, room.name, _change_of(room, member, command)))
        return None

    def _check_encryption(self, room: Room, command: frames.Edit | frames.React) -> None:
        """Raise unless the new content or reactions are an envelope if the room is encrypted, and only then."""
        if isinstance(command, frames.Edit):
            text, limit, may_be_plain = command.content, self._limits.envelope_bytes, False
            has_envelope = command.recipients is not msgspec.UNSET
        else:
            text, limit, may_be_plain = command.envelope, self._limits.reaction_envelope_bytes, command.remove
            has_envelope = bool(text) or command.recipients is not msgspec.UNSET
        if has_envelope and not room.encrypted:
            raise ChatError(Code.ROOM_NOT_ENCRYPTED)
        if has_envelope:
            envelope.parse(text, limit)
        elif room.encrypted and not may_be_plain:
            raise ChatError(Code.ROOM_ENCRYPTED)

    async def _refuse_send(self, member: Member, name: str) -> NoReturn:
        try:
            await self._refuse_room(member, name)
        except ChatError as problem:
            self._refused.inc(problem.code)
            raise


def _change_of(room: Room, member: Member, command: ChangeCommand) -> history_api.AnyMessageChange:
    """What history is asked to do for `command`; the epoch says which message is meant, even after a restore."""
    base: dict[str, Any] = {
        "room_id": room.room_id,
        "user_id": member.user_id,
        "username": member.username,
        "offset": command.offset,
        "epoch": room.opened.epoch,
    }
    match command:
        case frames.Edit():
            return history_api.MessageEdit(
                **base, content=command.content, rev=command.rev, recipients=command.recipients or 0
            )
        case frames.DeleteMessage():
            return history_api.MessageDeletion(**base)
        case frames.React():
            return history_api.MessageReaction(
                **base,
                emoji=command.emoji,
                remove=command.remove,
                envelope=command.envelope,
                recipients=command.recipients or 0,
            )
        case frames.Pin():
            return history_api.MessagePin(**base, remove=command.remove)
        case _:
            assert_never(command)
