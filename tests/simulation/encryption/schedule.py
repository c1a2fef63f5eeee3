"""One schedule of two users with several devices each, from its seed: what they do, what fails, and what it led to.

One thing happens at a time; what happens "beside" a command of a device happens before it arrives or after it was
carried out. So the order is the same each time, though keys are random.
"""

import asyncio
import logging
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random
from typing import NamedTuple

from chatterbox.wire.errors import ChatError
from client.encryption.command_link import LinkBroken
from client.encryption.device.recovery import new_recovery_key
from client.encryption.message_encryption import EncryptionWaits
from client.failures import Failure
from services.history.app import HistoryApp, create_app
from tests.simulation.encryption import judge, rooms
from tests.simulation.encryption.device import Device
from tests.simulation.encryption.kept_keys import Killed, copy_store, recorded_inboxes
from tests.simulation.encryption.lies import GhostDevice, list_a_thief
from tests.simulation.encryption.rooms import PrivateRoom
from tests.simulation.encryption.site import HistoryProcess, Login, StoredText

USERS = ("ada", "bob")
ROOM_USERS = ("ada", "bob", "cleo", "dan")
"""The first one creates the room."""
MAX_DEVICES = 3
"""Of each user of a direct conversation, at the same time."""
STEPS = 45
BESIDE = 0.06
"""How often something happens beside a command."""
LOSS = 0.05
WORDS = "zephyr quartz fjord sphinx"
"""Canary words: in each text, and in no file but in encrypted form."""


class StoreCopy(NamedTuple):
    """An earlier state of a key store."""

    device: Device
    path: Path
    read_to: int
    set_ups: int
    """How often the device had been set up. A copy can't be told from the store before the next time."""


@dataclass
class World:
    """Everything of one schedule."""

    rng: Random
    folder: Path
    history: HistoryProcess
    devices: list[Device] = field(default_factory=list)
    happened: list[str] = field(default_factory=list)
    copies: list["StoreCopy"] = field(default_factory=list)
    """Earlier states of key stores."""
    backups: list[tuple[Path, list[StoredText]]] = field(default_factory=list)
    users: tuple[str, ...] = USERS
    room: PrivateRoom | None = None
    """None: the two users have a direct conversation."""
    max_devices: int = MAX_DEVICES
    depth: int = 0
    logins: int = 0
    texts: int = 0
    with_restores: bool = False
    with_lies: bool = False
    lied: bool = False
    """The server showed a false list: who knew no true one took no keys of that user's devices."""
    ghost: GhostDevice | None = None
    """The one that the server shows now."""
    found: list[str] = field(default_factory=list)
    """What is wrong already."""
    recovery_keys: dict[str, bytes] = field(default_factory=dict)
    """Of each user who wrote one down."""
    forked: set[str] = field(default_factory=set)
    """Sessions that two clones of a key store had when they could not know of each other."""


async def simulate(
    seed: int, *, create: Callable[..., HistoryApp] = create_app, steps: int = STEPS, in_room: bool = False
) -> list[str]:
    """Run a schedule; returns what is wrong with it. `in_room`: of a private room, not of a direct conversation."""
    with tempfile.TemporaryDirectory(prefix="chatterbox-encrypted-", dir=_fast_folder()) as folder:
        (Path(folder) / "history").mkdir()
        world = World(Random(seed), Path(folder), HistoryProcess(Path(folder) / "history", create))
        chance = world.rng.random()
        world.with_restores, world.with_lies = chance < 0.2, chance > 0.75
        if in_room:
            world.users, world.room = ROOM_USERS, PrivateRoom(world.history)
            world.max_devices = world.rng.choice([1, 2, 2, 5])
        records: list[str] = []
        with _all_logs(records), recorded_inboxes():
            await world.history.start()
            try:
                await _run(world, steps)
                return await judge.problems(world, records)
            finally:
                for device in world.devices:
                    await device.end()
                await world.history.stop()


def _fast_folder() -> str | None:
    """Memory, where there is such a folder: nothing of a schedule is to survive a loss of power."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


class _all_logs:  # noqa: N801 - used as a statement
    """Collects everything that is logged, with all fields."""

    def __init__(self, records: list[str]) -> None:
        self._handler = logging.Handler()
        self._handler.emit = lambda record: records.append(repr(record.__dict__))  # type: ignore[method-assign]

    def __enter__(self) -> None:
        self._log = logging.getLogger()
        self._level = self._log.level
        self._log.setLevel(logging.DEBUG)
        self._log.addHandler(self._handler)

    def __exit__(self, *_: object) -> None:
        self._log.removeHandler(self._handler)
        self._log.setLevel(self._level)


# The schedule


async def _run(world: World, steps: int) -> None:
    await world.history.service.greet(*world.users)
    for user in world.users:
        await _log_in(world, user)
        if world.room is not None and user == world.users[0]:
            await world.room.create(world.devices[0])
    for device in world.devices:
        if world.room is not None:
            await _begin_room(world, device)
    for _ in range(steps):
        await _step(world)


async def _step(world: World) -> None:
    steps = _STEPS if world.room is None else _ROOM_STEPS
    kinds = list(steps)
    step = world.rng.choices(kinds, [steps[kind] for kind in kinds])[0]
    await step(world)


async def _beside(world: World) -> None:
    """Something else happens, on another device."""
    if world.depth < 2 and world.rng.random() < BESIDE:
        world.depth += 1
        try:
            await _step(world)
        finally:
            world.depth -= 1


def chosen(world: World, *, user: str = "") -> Device | None:
    """A device that runs, has nothing else to do, and is of the user."""
    able = [
        device
        for device in world.devices
        if not (device.is_busy or device.is_dead or device.is_out) and user in ("", device.login.username)
    ]
    return world.rng.choice(able) if able else None


async def do(world: World, device: Device, what: str, work: Callable[[], Awaitable[object]]) -> None:
    """Let a device do something; it may be killed meanwhile."""
    device.is_busy, device.foreground = True, asyncio.current_task()
    world.happened.append(f"{device.name} {what}")
    try:
        if device.is_cut:
            await device.connect()
        await work()
    except Killed:
        world.happened.append(f"{device.name} is killed")
        await device.end()
    except (ChatError, Failure, EncryptionWaits, LinkBroken) as refusal:
        world.happened.append(f"{device.name}: {refusal!r}")
    finally:
        device.is_busy = False


async def _write(world: World) -> None:
    device = chosen(world)
    if device is not None and (world.room is None or device.login.username in world.room.members()):
        world.texts += 1
        device.write(f"{WORDS} {world.texts}")
        await do(world, device, "writes", device.send)


async def _read(world: World) -> None:
    if (device := chosen(world)) is not None:

        async def read() -> None:
            await device.deliver()
            await device.read()

        await do(world, device, "reads", read)


async def _deliver(world: World) -> None:
    if (device := chosen(world)) is not None:
        await do(world, device, "is pushed its inbox", device.deliver)


async def _reconnect(world: World) -> None:
    if (device := chosen(world)) is not None:

        async def reconnect() -> None:
            device.disconnect()
            await device.connect()

        await do(world, device, "reconnects", reconnect)


async def _log_in(world: World, user: str = "") -> None:
    """A new device; another one of the user lets it in."""
    user = user or world.rng.choice(world.users)
    if sum(device.login.username == user and not device.is_out for device in world.devices) >= world.max_devices:
        return
    device = _new_device(world, user)

    async def begin() -> None:
        await device.start()
        await _open_room(world, device)
        device.loss = device.link.loss = LOSS if world.room is None or world.room.room_id else 0.0

    await do(world, device, f"is a new device of {user}", begin)
    await _approve(world, user)


def _new_device(world: World, user: str, path: Path | None = None, name: str = "") -> Device:
    world.logins += 1
    name = name or f"{user}{world.logins}"
    login = Login(world.history.auth.names[user], user, f"session-{world.logins}")
    rng = Random(world.rng.random())

    async def beside() -> None:
        await _beside(world)

    path = path or world.folder / name / "keys.sqlite3"
    path.parent.mkdir(exist_ok=True)
    device = Device(name, world.history, login, path, rng, beside)
    world.devices.append(device)
    return device


async def _open_room(world: World, device: Device) -> None:
    if world.room is None:
        await device.open_room(USERS[1 - USERS.index(device.login.username)])
    else:
        device.room, device.room_id = world.room.room, world.room.room_id


async def _begin_room(world: World, device: Device) -> None:
    """Most users are members from the beginning."""
    assert world.room is not None
    device.room, device.room_id, device.loss = world.room.room, world.room.room_id, LOSS
    username, creator = device.login.username, world.devices[0]
    if device is not creator and not device.is_dead and world.rng.random() < 0.85:
        room = world.room
        await do(world, creator, f"invites {username}", lambda: room.invite(creator, username))
        await do(world, device, "joins", lambda: room.join(device))


async def _approve(world: World, user: str = "") -> None:
    if (device := chosen(world, user=user)) is not None:
        await do(world, device, "lets in what waits", device.let_in)


async def _log_out(world: World) -> None:
    """A login session ends; its device may come back in another one, with the same keys."""
    device = chosen(world)
    if device is None or sum(not each.is_out for each in world.devices) < 3:
        return
    device.is_out, device.emptied_at = True, len(world.history.texts)
    world.happened.append(f"{device.name} is logged out")
    await device.end()
    await world.history.end_session(device.login.sid)


async def _come_back(world: World) -> None:
    gone = [device for device in world.devices if device.is_out and not device.is_busy and not device.was_removed]
    if gone:
        device = world.rng.choice(gone)
        world.logins += 1
        device.login = device.login._replace(sid=f"session-{world.logins}")
        device.is_out = False
        await do(world, device, "logs in again", device.start)


async def _remove(world: World) -> None:
    device = chosen(world)
    if device is None:
        return
    others = [
        other for other in world.devices
        if other.login.username == device.login.username and other is not device and not other.is_busy
        and not other.was_removed and other.device_id
    ]  # fmt: skip
    if others:
        other = world.rng.choice(others)

        async def remove() -> None:
            identity = await device.identity()
            await device.in_thread(lambda keys: keys.recovery.remove(identity, other.device_id))
            other.was_removed = other.is_out = True

        await do(world, device, f"removes {other.name}", remove)


async def _kill(world: World) -> None:
    """A process is killed after one of its next commits, whatever that is."""
    if (device := chosen(world)) is not None:
        device.commits_left = world.rng.randint(1, 12)


async def _restart(world: World) -> None:
    dead = [device for device in world.devices if device.is_dead and not device.is_out and not device.is_busy]
    if dead:
        device = world.rng.choice(dead)
        await do(world, device, "starts again", device.start)


async def _copy(world: World) -> None:
    if (device := chosen(world)) is not None:
        path = world.folder / f"copy-{len(world.copies)}" / "keys.sqlite3"
        copy_store(device.path, path)
        world.copies.append(StoreCopy(device, path, device.read_to, device.set_ups))


async def _set_back(world: World) -> None:
    """An old copy of a key store comes into use, on its own or beside the present one."""
    able = [
        copy for copy in world.copies
        if not (copy.device.is_busy or copy.device.is_out) and copy.device.set_ups > copy.set_ups
    ]  # fmt: skip
    if not able:
        return
    copy = world.rng.choice(able)
    world.copies.remove(copy)
    device = copy.device
    await device.end()
    copy_store(copy.path, device.path)
    device.read_to, device.lost_before = copy.read_to, max(len(world.history.texts), device.lost_before)
    device.was_set_back = True
    device.worked_off.append([])
    device.lost_sessions |= world.history.sessions_of(device.address)
    await do(world, device, "is set back to an earlier copy", device.start)


async def _clone(world: World) -> None:
    """A key store comes into use on a second computer while it is in use on the first."""
    device = chosen(world)
    if device is None or world.forked or device.was_set_back:
        return
    path = world.folder / f"{device.name}-clone" / "keys.sqlite3"
    copy_store(device.path, path)
    clone = _new_device(world, device.login.username, path, f"{device.name}-clone")
    clone.login, clone.read_to, clone.has_backup = device.login, device.read_to, device.has_backup
    clone.room, clone.room_id, clone.loss = device.room, device.room_id, LOSS
    world.forked = {await device.outbound_session(), ""}
    for each in (device, clone):
        each.is_cloned = each.was_set_back = True
    await do(world, clone, f"is a clone of {device.name}", clone.start)


async def _restart_history(world: World) -> None:
    if not any(device.is_busy for device in world.devices):
        world.happened.append("history restarts")
        await world.history.stop()
        await world.history.start()
        await _reconnect_all(world)


async def _reconnect_all(world: World) -> None:
    for device in world.devices:
        if not device.is_dead and not device.is_out:
            device.disconnect()
            await do(world, device, "connects", device.connect)


async def _back_up_or_restore(world: World) -> None:
    if not world.with_restores or any(device.is_busy for device in world.devices):
        return
    if not world.backups:
        copy = world.folder / f"backup-{len(world.backups)}.sqlite"
        world.backups.append((copy, await world.history.back_up(copy)))
        world.happened.append("the server is backed up")
        return
    copy, texts = world.backups.pop()
    await world.history.restore(copy, texts)
    world.happened.append("the server is restored from a backup")
    for device in world.devices:
        device.read_to = min(device.read_to, len(texts))
        device.lost_before = max(device.lost_before, len(texts))
    await _reconnect_all(world)


async def _make_recovery_key(world: World) -> None:
    """A user writes a recovery key down."""
    device = chosen(world)
    if device is None or device.login.username in world.recovery_keys:
        return
    user, recovery_key = device.login.username, new_recovery_key()

    async def make() -> None:
        world.recovery_keys[user] = recovery_key  # it may be made although the answer is lost
        try:
            await device.make_recovery_key(recovery_key)
        except Failure:
            del world.recovery_keys[user]
            raise

    await do(world, device, "makes a recovery key", make)


async def _keep_up(world: World) -> None:
    if (device := chosen(world)) is not None:
        await do(world, device, "fills the backup", device.keep_up)


async def _lie(world: World) -> None:
    """The server shows a device that no user listed, or takes it back."""
    if not world.with_lies:
        return
    if world.ghost is not None:
        await end_lie(world)
    elif world.devices:
        login = world.rng.choice(world.devices).login
        appear = partial(GhostDevice.appear, world.history.database, login, world.history.clock())
        world.ghost = await asyncio.to_thread(appear)
        world.lied |= world.ghost is not None
        world.happened.append(f"the server shows a ghost device of {login.username}")


async def _ghost_member(world: World) -> None:
    """The server makes a user a member whom nobody invited."""
    if world.room is None or not world.with_lies or world.history.ghosts:
        return
    await world.history.service.greet(rooms.GHOST)
    ghost, room = _new_device(world, rooms.GHOST), world.room

    async def begin() -> None:
        await ghost.start()
        await _open_room(world, ghost)
        await room.add_ghost(ghost)

    await do(world, ghost, "is made a member by the server", begin)


async def end_lie(world: World) -> None:
    """The server tells the truth again."""
    if world.ghost is not None:
        if world.ghost.was_given():
            world.found.append(f"E2: a device that {world.ghost.address.username} did not list was given keys")
        await asyncio.to_thread(world.ghost.disappear)
        world.ghost = None
        world.happened.append("the server shows no ghost device any more")


async def _steal_password(world: World) -> None:
    """Somebody logs in with a user's password, and tries to list a device without any of the user's keys."""
    if not world.devices or world.ghost is not None:
        return
    login = world.rng.choice(world.devices).login._replace(sid=f"thief-{world.texts}-{len(world.history.thieves)}")
    world.history.thieves.add(await list_a_thief(world.history, login))
    world.happened.append(f"somebody has the password of {login.username}")


async def _wait(world: World) -> None:
    world.history.clock.now += world.rng.choice([1_000, 60_000, 3_600_000, 25 * 3_600_000])


_STEPS: dict[Callable[[World], Awaitable[None]], float] = {
    _write: 34, _read: 16, _deliver: 6, _reconnect: 4, _log_in: 4, _approve: 4, _log_out: 3, _come_back: 3, _remove: 2,
    _kill: 8, _restart: 8, _copy: 2, _set_back: 2, _restart_history: 1, _back_up_or_restore: 3, _wait: 3,
    _make_recovery_key: 2, _keep_up: 3, _lie: 4, _steal_password: 0.5, _clone: 0.4,
}  # fmt: skip
"""What may happen, and how often."""
_ROOM_STEPS = {
    **_STEPS, _write: 50, rooms.invite: 5, rooms.join: 6, rooms.remove: 2, rooms.leave: 1, rooms.set_topic: 3,
    _ghost_member: 2,
}  # fmt: skip


# The end


async def heal(world: World) -> None:
    """Nothing fails any more: everything runs, connects, is let in, sends what waits, and reads."""
    world.depth = 9
    await end_lie(world)
    for device in world.devices:
        device.loss = 0.0
        device.commits_left = None
    for _ in range(2):
        for device in world.devices:
            if not device.is_out:
                await device.end()
                await do(world, device, "starts for the last time", device.start)
        for user in world.users:
            await _approve(world, user)
    for device in world.devices:
        if not device.is_dead:
            await do(world, device, "sends what waits", device.send)
    for _ in range(3):
        for device in world.devices:
            if not device.is_dead:
                with suppress(TimeoutError):
                    await do(world, device, "reads", partial(_catch_up, device))
    for _ in range(2):
        for device in world.devices:
            if not device.is_dead and not device.is_out:
                await do(world, device, "fills the backup", device.keep_up)


async def _catch_up(device: Device) -> None:
    """Read the inbox, and all messages: who lacks a key asks for it again."""
    await device.deliver()
    await device.read(again=True)


async def recover(world: World, user: str) -> Device:
    """A new device of a user who has lost all others, and has the recovery key."""
    device = _new_device(world, user)
    world.history.clock.now += 3_600_000  # device lists may be changed so often in an hour

    async def begin() -> None:
        await device.start()
        await device.recover(world.recovery_keys[user])
        await _open_room(world, device)

    await do(world, device, "is let in by the recovery key", begin)
    return device


def run(
    seed: int, *, create: Callable[..., HistoryApp] = create_app, steps: int = STEPS, in_room: bool = False
) -> list[str]:
    """As `simulate`, without an event loop."""
    return asyncio.run(simulate(seed, create=create, steps=steps, in_room=in_room))
