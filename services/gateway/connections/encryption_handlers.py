"""Handlers for the commands of end-to-end encryption: recipients, one-time keys, to-device messages and inboxes."""

import asyncio
from collections.abc import Callable, Collection, Coroutine
from typing import Any, assert_never

from chatterbox.chassis.core.rate_limiter import RateLimiter
from chatterbox.wire import frames
from chatterbox.wire.encryption.policy import EncryptionPolicy
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.limits import Limits
from chatterbox.wire.rate_limits import CLAIMS, TO_DEVICE
from services.gateway.connections.connection import AsyncCommand, Connection
from services.gateway.inboxes.inbox_feed import InboxFeed
from services.gateway.metrics import GatewayMetrics
from services.gateway.rooms.member import Member
from services.gateway.rooms.room import Room
from services.gateway.upstream.encryption_client import EncryptionClient

CONCURRENT_OPENS = 16
"""Inboxes that are opened at the same time. When thousands of devices come back in one moment, the others wait here,
each with its connection: more calls at once would only make each of them miss its deadline."""


class EncryptionHandlers:
    """Handles commands of welcomed connections; a `ChatError` becomes the reply."""

    def __init__(
        self,
        policy: EncryptionPolicy,
        history: EncryptionClient,
        inboxes: InboxFeed,
        reads: RateLimiter[int],
        limits: Limits,
        clock: Callable[[], float],
        metrics: GatewayMetrics,
        *,
        room_of: Callable[[Member, str], Coroutine[Any, Any, Room]],
    ) -> None:
        """`reads` counts the reads of each user; `clock` is monotonic seconds.

        `room_of` returns a room that a user is in, by name, or refuses it.
        """
        self._policy = policy
        self._history = history
        self._inboxes = inboxes
        self._limits = limits
        self._clock = clock
        self._refused = metrics.key_commands_refused
        self._room_of = room_of
        self._to_device: RateLimiter[int] = RateLimiter(TO_DEVICE.bound, name=TO_DEVICE.name)
        self._claims: RateLimiter[int] = RateLimiter(CLAIMS.bound, name=CLAIMS.name)
        self._reads = reads
        self._opening = asyncio.Semaphore(CONCURRENT_OPENS)

    def handle(self, connection: Connection, member: Member, command: frames.EncryptionCommand) -> AsyncCommand:
        """Return a coroutine that runs `command`."""
        return self._counted(connection, member, command)

    async def _counted(self, connection: Connection, member: Member, command: frames.EncryptionCommand) -> None:
        try:
            await self._run(connection, member, command)
        except ChatError as problem:
            self._refused.inc(problem.code)
            raise

    async def _run(self, connection: Connection, member: Member, command: frames.EncryptionCommand) -> None:
        if self._policy is EncryptionPolicy.OFF:
            raise ChatError(Code.ENCRYPTION_OFF)
        match command:
            case frames.ReadRecipients():
                await self._recipients(connection, member, command)
            case frames.Claim():
                await self._claim(connection, member, command)
            case frames.ShareKeys():
                await self._share_keys(connection, member, command)
            case frames.SendToDevice():
                await self._send_to_device(connection, member, command)
            case frames.OpenInbox():
                await self._open_inbox(connection, member, command)
            case frames.Take():
                await self._take(connection, member, command)
            case _:
                assert_never(command)

    async def _recipients(self, connection: Connection, member: Member, command: frames.ReadRecipients) -> None:
        self._reads.spend(member.user_id, self._clock())
        room = await self._encrypted_room(member, command.room)
        found = await self._history.recipients(room.room_id, member, command.known, command.after)
        connection.send(
            frames.Recipients(
                id=command.id,
                room=room.name,
                recipients=found.recipients,
                closed_at=found.closed_at,
                devices=found.devices,
                lists=found.lists,
                without=tuple(found.without),
                entries=tuple(found.entries),
                log=found.log,
            )
        )

    async def _claim(self, connection: Connection, member: Member, command: frames.Claim) -> None:
        self._claims.spend_many(member.user_id, self._clock(), max(1, len(command.of)))
        found = await self._history.claim(member, _sid(connection), command.device, command.of)
        connection.send(frames.Claimed(id=command.id, keys=found.keys, missing=tuple(found.missing)))

    async def _share_keys(self, connection: Connection, member: Member, command: frames.ShareKeys) -> None:
        self._spend_messages(member, command.messages)
        room = await self._encrypted_room(member, command.room)
        shared = await self._history.share_keys(room.room_id, member, _sid(connection), command)
        connection.send(
            frames.KeysShared(id=command.id, room=room.name, session=command.session, missing=shared.missing)
        )

    async def _send_to_device(self, connection: Connection, member: Member, command: frames.SendToDevice) -> None:
        self._spend_messages(member, command.messages)
        await self._history.send_to_device(member, _sid(connection), command)
        connection.send(frames.Delivered(id=command.id))

    async def _open_inbox(self, connection: Connection, member: Member, command: frames.OpenInbox) -> None:
        self._reads.spend(member.user_id, self._clock())
        self._inboxes.check_open(connection, command.device)
        async with self._opening:
            if connection.is_closed:
                return
            opened = await self._history.open_inbox(member, _sid(connection), command.device, command.after)
        connection.send(
            frames.Inbox(
                id=command.id,
                device=command.device,
                at=opened.at,
                head=opened.head,
                one_time=tuple(opened.one_time),
                fallback_used=opened.fallback_used,
                reset=opened.reset,
            )
        )
        self._inboxes.open(connection, command.device, opened)

    async def _take(self, connection: Connection, member: Member, command: frames.Take) -> None:
        self._reads.spend(member.user_id, self._clock())
        await self._history.take(member, _sid(connection), command.device, command.upto)
        connection.send(frames.Taken(id=command.id, device=command.device, upto=command.upto))

    def _spend_messages(self, member: Member, messages: Collection[frames.OutgoingToDevice]) -> None:
        """Count to-device messages, at least one a command; raises `bad_frame` if one is too long."""
        limit = self._limits.to_device_bytes
        if any(len(message.body) > limit for message in messages):
            raise ChatError(Code.BAD_FRAME, f"A to-device message has at most {limit} bytes.")
        self._to_device.spend_many(member.user_id, self._clock(), max(1, len(messages)))

    async def _encrypted_room(self, member: Member, name: str) -> Room:
        room = await self._room_of(member, name)
        if not room.encrypted:
            raise ChatError(Code.ROOM_NOT_ENCRYPTED, "This room is not encrypted: everything in it is sent in clear.")
        return room


def _sid(connection: Connection) -> str:
    """The login session of a welcomed connection."""
    assert connection.claims is not None  # noqa: S101 - it has been welcomed
    return connection.claims.sid
