"""What happens in an encrypted room: it is created, users are invited, join, leave and are removed, a topic is set.

Commands are signed by the client's engine, and others get in between; what is refused as stale is signed again.
"""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from typing import TYPE_CHECKING, Any, NamedTuple

from chatterbox.wire import frames, history_api
from chatterbox.wire.encryption import envelope
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.frames.encryption import DeviceAddress
from client.encryption.command_link import LinkBroken
from client.encryption.message_encryption import EncryptedRoom, SignedCommand
from tests.simulation.encryption import schedule
from tests.simulation.encryption.device import Device
from tests.simulation.encryption.site import HistoryProcess

if TYPE_CHECKING:
    from tests.simulation.encryption.schedule import World

NAME = "plans~"
GHOST = "eve"
"""A user whom the server makes a member by itself."""
TRIES = 5


class StoredTopic(NamedTuple):
    """A topic that was set."""

    text: str
    envelope: str
    setter: DeviceAddress
    entitled: frozenset[DeviceAddress]


class PrivateRoom:
    """The encrypted room of a schedule."""

    def __init__(self, history: HistoryProcess) -> None:
        self._history = history
        self.room = EncryptedRoom(NAME, "")
        self.room_id = 0
        self.topic: StoredTopic | None = None

    async def create(self, device: Device) -> None:
        """A device creates it."""
        command = await device.encryption.sign(frames.CreateRoom(id=0, room=NAME, private=True), None)
        assert isinstance(command, frames.CreateRoom)
        user = (device.login.user_id, device.login.username)
        call = history_api.CreateRoomCall(NAME, True, *user, command.entry or None)
        info = await self._history.call("/internal/create", call, history_api.RoomInfo)
        self.room, self.room_id = EncryptedRoom(NAME, info.uid), info.room_id

    def members(self) -> set[str]:
        """Who is a member, without those whom the server made one."""
        with closing(sqlite3.connect(self._history.database)) as db:
            rows = db.execute("SELECT username FROM memberships WHERE room_id = ?", (self.room_id,))
            return {username for (username,) in rows} - self._history.ghosts

    async def invite(self, device: Device, username: str) -> None:
        command = frames.Invite(id=0, room=NAME, username=username)

        async def call(signed: Any) -> None:
            body = history_api.InviteUserCall(NAME, *_user(device), username, signed.entry or None)
            await self._history.call("/internal/invite", body, history_api.Invitee)

        await self._signed(device, command, call)

    async def remove(self, device: Device, username: str) -> None:
        async def call(signed: Any) -> None:
            body = history_api.RemoveMemberCall(NAME, *_user(device), username, signed.entry or None)
            await self._history.call("/internal/remove", body, history_api.RemovedMember)

        await self._signed(device, frames.Remove(id=0, room=NAME, username=username), call)

    async def leave(self, device: Device) -> None:
        async def call(signed: Any) -> None:
            body = history_api.LeaveRoomCall(NAME, *_user(device), False, signed.entry or None)
            await self._history.call("/internal/leave", body, history_api.LeftRoom)

        await self._signed(device, frames.Leave(id=0, room=NAME), call)

    async def join(self, device: Device) -> None:
        await self._history.call("/internal/join", history_api.JoinRoomCall(NAME, *_user(device)), history_api.RoomInfo)

    async def set_topic(self, device: Device, text: str) -> None:
        async def call(signed: Any) -> None:
            body = history_api.ChangeTopicCall(NAME, *_user(device), signed.topic, signed.recipients or 0)
            await self._history.call("/internal/topic", body, history_api.StoredTopic)
            session = envelope.parse(signed.topic, 10**6).session
            entitled, _ = self._history.readers(self.room_id, session)
            self.topic = StoredTopic(text, signed.topic, device.address, entitled)

        await self._signed(device, frames.SetTopic(id=0, room=NAME, topic=text), call)

    async def _signed(self, device: Device, command: SignedCommand, call: Callable[[Any], Awaitable[None]]) -> None:
        """Sign a command and send it; answers get lost on the way back, too."""
        for _ in range(TRIES):
            signed = await device.encryption.sign(command, self.room)
            await device.pause()
            if device.rng.random() < device.loss:
                device.disconnect()
                raise LinkBroken
            try:
                await call(signed)
            except ChatError as refusal:
                if refusal.code in {Code.MEMBER_LOG_STALE, Code.RECIPIENTS_STALE}:
                    continue
                raise
            if device.rng.random() < device.loss:
                device.disconnect()
                raise LinkBroken
            await device.settle()
            return

    async def add_ghost(self, device: Device) -> None:
        """The server makes the user of a device a member, whom nobody invited."""
        self._history.ghosts.add(device.login.username)
        await asyncio.to_thread(self._add, device)

    def _add(self, device: Device) -> None:
        with closing(sqlite3.connect(self._history.database)) as db, db:
            db.execute(
                "INSERT OR IGNORE INTO memberships (room_id, user_id, username, joined_ms, direct)"
                " SELECT room_id, ?, ?, joined_ms, direct FROM memberships WHERE room_id = ? LIMIT 1",
                (*_user(device), self.room_id),
            )
            db.execute("UPDATE rooms SET recipients = recipients + 1 WHERE id = ?", (self.room_id,))


def _user(device: Device) -> tuple[int, str]:
    return device.login.user_id, device.login.username


# Steps


def _member(world: "World", *, is_creator: bool = False) -> Device | None:
    """A device of a member that has nothing else to do."""
    assert world.room is not None
    members = world.room.members()
    able = [
        device
        for device in world.devices
        if not (device.is_busy or device.is_dead or device.is_out) and device.login.username in members
        and (not is_creator or device.login.username == world.users[0])
    ]  # fmt: skip
    return world.rng.choice(able) if able else None


async def invite(world: "World") -> None:
    """A member invites a user, sometimes one who is a member already; mostly the user joins."""
    if world.room is None or (device := _member(world)) is None:
        return
    room, username = world.room, world.rng.choice(world.users)
    if username != device.login.username:
        await schedule.do(world, device, f"invites {username}", lambda: room.invite(device, username))


async def join(world: "World") -> None:
    """A user who may be invited joins."""
    if (
        world.room is None
        or (device := schedule.chosen(world)) is None
        or device.login.username in world.history.ghosts
    ):
        return
    room = world.room
    await schedule.do(world, device, "joins", lambda: room.join(device))


async def remove(world: "World") -> None:
    """The creator removes a member, or a ghost."""
    if world.room is None or (device := _member(world, is_creator=True)) is None:
        return
    room, others = world.room, sorted(world.room.members() - {device.login.username})
    if others:
        username = world.rng.choice(others)
        await schedule.do(world, device, f"puts {username} out of the room", lambda: room.remove(device, username))


async def leave(world: "World") -> None:
    if world.room is None or (device := _member(world)) is None or device.login.username == world.users[0]:
        return
    room = world.room
    await schedule.do(world, device, "leaves", lambda: room.leave(device))


async def set_topic(world: "World") -> None:
    if world.room is None or (device := _member(world)) is None:
        return
    room = world.room
    world.texts += 1
    text = f"{schedule.WORDS} topic {world.texts}"
    await schedule.do(world, device, "sets a topic", lambda: room.set_topic(device, text))
