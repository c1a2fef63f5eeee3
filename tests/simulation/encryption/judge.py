"""What must hold after every schedule: E1 to E7 of docs/encryption.md.

- E1: every device that could read the room when a message was stored reads it in the end. Excepted are messages of a
  device that its owner removed: who had not taken their keys by then does not take them any more.
  Excepted, too, are messages of a device whose key store is in use twice, and all after a server showed a false list.
- E2: no other device can, from all that it ever received.
- E3: one key has one stored message, which says what was typed.
- E4: each to-device message is worked off once, and in order for each pair of devices; no one-time key is given twice.
- E5: no ratchet index encrypts two texts.
- E6: with the recovery key alone, everything can be read again that a device of the user could read.
- E7: no word of a text is in a file of the server, in its log, or in a file of a client.
"""

import asyncio
import sqlite3
from collections import Counter
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from chatterbox.wire.position import Position
from client.encryption.core.trust import DecryptedMessage, Unreadable
from client.encryption.message_encryption import EncryptedRoom
from tests.simulation.encryption import schedule
from tests.simulation.encryption.device import Device
from tests.simulation.encryption.kept_keys import Killed
from tests.simulation.encryption.lies import PlantedSession
from tests.simulation.encryption.rooms import GHOST

if TYPE_CHECKING:
    from tests.simulation.encryption.schedule import World


async def problems(world: "World", logged: list[str]) -> list[str]:
    """Everything that is wrong, one sentence each."""
    await schedule.heal(world)
    found = [*_stored_twice(world), *_indexes_used_twice(world), *_words_in_clear(world, logged)]
    found += [*world.found, *_not_sent(world), *_given_twice(world), *_worked_off_wrongly(world), *_unlisted(world)]
    found += _withheld(world)
    read = {user: set[int]() for user in (*world.users, GHOST)}
    for device in list(world.devices):
        found += await _unreadable_or_leaked(world, device, read[device.login.username])
    found += await _topic(world)
    for user in sorted(world.recovery_keys.keys() & _with_backup(world) & _members(world)):
        found += await _lost_for_good(world, user, read[user])
    return found


def _members(world: "World") -> set[str]:
    """Who may write, and is expected to read."""
    return set(world.users) if world.room is None else world.room.members()


async def _topic(world: "World") -> list[str]:
    """Who could read the room when its topic was set reads it, and nobody else."""
    if world.room is None or (topic := world.room.topic) is None or world.with_restores:
        return []
    found = []
    for device in world.devices:
        if device.is_dead or device.is_out or not device.device_id:
            continue
        read = await device.encryption.decrypt_topic(world.room.room, topic.envelope)
        is_entitled = device.address in topic.entitled
        if read is not None and read != topic.text:
            found.append(f"E3: {device.name} reads another topic")
        if read is not None and not is_entitled and not device.has_backup:
            found.append(f"E2: {device.name} reads the topic, which was not for it")
        if read is None and is_entitled and device.login.username in _members(world) and not _may_lack(world, device):
            found.append(f"E1: {device.name} can't read the topic")
    return found


def _may_lack(world: "World", device: Device) -> bool:
    """Keys were taken from it: by a copy of its store, by the end of its session, or by a server that lied."""
    return device.was_set_back or bool(device.emptied_at) or world.lied


def _not_sent(world: "World") -> list[str]:
    """What waits although both users have devices that read."""
    members = _members(world)
    able = [
        each for each in world.devices
        if not each.is_dead and not each.is_out and each.may_encrypt and each.login.username in members
    ]  # fmt: skip
    if {each.login.username for each in able} != members:
        return []
    return [f"E1: {each.name} can't send {len(each.outbox)} texts" for each in able if each.outbox]


async def _unreadable_or_leaked(world: "World", device: Device, by_user: set[int]) -> list[str]:
    """`by_user`: the messages that devices of the user can read and back up, to which these are added."""
    if not device.device_id:
        return []
    try:
        shown = await _everything(device)
    except Killed:
        return [f"E1: {device.name} does not read at all"]
    removed = {each.address for each in world.devices if each.was_removed}
    members = _members(world)
    gone = {each.address for each in world.devices if each.is_out}
    cloned = {each.address for each in world.devices if each.is_cloned}
    found = await _shown_lies(world, device, shown)
    if not device.is_out and device.fills_backup:
        by_user |= {offset for offset, message in shown.items() if message.unreadable is None}
    for text in world.history.texts:
        read = shown.get(text.offset)
        is_entitled = device.address in text.entitled
        is_expected = is_entitled and device.login.username in members
        is_lost = text.offset <= device.lost_before or text.session in device.lost_sessions or text.sender in removed
        is_lost |= text.sender in cloned
        is_lost |= world.lied or device.is_cloned or text.session in world.forked
        is_lost |= text.offset <= device.emptied_at and text.sender in gone
        if is_expected and not device.is_out and not is_lost:
            if read is None or read.unreadable is not None:
                why = "is not shown" if read is None else read.unreadable
                found.append(f"E1: {device.name} can't read message {text.offset} ({why})")
            elif read.content != text.text:
                found.append(f"E3: message {text.offset} is not what was typed")
            elif read.irregularity is not None and not _may_be_irregular(world):
                found.append(f"E3: {device.name} is told that message {text.offset} is {read.irregularity}")
        others = {each.username for each in text.entitled} if device.has_backup else set()
        may_have_it = is_entitled or device.login.username in others
        if not may_have_it and read is not None and read.unreadable is None:
            found.append(f"E2: {device.name} reads message {text.offset}, which was not for it")
    return found


def _may_be_irregular(world: "World") -> bool:
    """Numbers of texts are used again when a key store or the server was set back."""
    return any(device.was_set_back for device in world.devices) or bool(world.history.lost) or world.with_restores


async def _everything(device: Device) -> dict[int, DecryptedMessage]:
    """What a device can read of the room, one that is logged out included: all messages are put before it."""
    was_dead = device.is_dead
    if was_dead:
        await device.revive()
    shown: dict[int, DecryptedMessage] = {}
    after = 0
    while messages := await device.history.page(device.room_id, after):
        for message in await device.encryption.decrypt(device.room, messages):
            shown[message.at.offset] = message
        after = messages[-1].at.offset
    return shown


def _stored_twice(world: "World") -> list[str]:
    with closing(sqlite3.connect(world.history.database)) as db:
        rows = db.execute("SELECT user_id, key FROM messages WHERE key <> ''").fetchall()
    counted = Counter(rows)
    return [f"E3: the key {key} is stored {count} times" for key, count in counted.items() if count > 1]


def _indexes_used_twice(world: "World") -> list[str]:
    return [
        f"E5: index {index} of a session encrypts {len(bodies)} texts"
        for (session, index), bodies in world.history.bodies.items()
        if len(bodies) > 1 and session not in world.forked
    ]


def _words_in_clear(world: "World", logged: list[str]) -> list[str]:
    words = [word.encode() for word in schedule.WORDS.split()]
    files = [path for path in sorted(world.folder.rglob("*")) if path.is_file()]
    found = [
        f"E7: {path.name} has words of a text in clear"
        for path in files
        if any(word in path.read_bytes() for word in words)
    ]
    if any(word in payload for payload in world.history.broker.payloads for word in words):
        found.append("E7: a payload of the broker has words of a text")
    if any(word.decode() in line for line in logged for word in words):
        found.append("E7: the log has words of a text")
    return found


def _given_twice(world: "World") -> list[str]:
    return [
        f"E4: a one-time key of {of} was given {len(takers)} times"
        for (of, _), takers in world.history.given.items()
        if len(takers) > 1
    ]


def _worked_off_wrongly(world: "World") -> list[str]:
    found = []
    for device in world.devices:
        for pushes in device.worked_off:
            places = Counter(push.at for push in pushes)
            if (most := max(places.values(), default=0)) > 1:
                found.append(f"E4: {device.name} works a to-device message off {most} times")
            pairs: dict[tuple[str, str, str], list[int]] = {}
            for push in pushes:
                pairs.setdefault((push.at.epoch, push.username, push.sender), []).append(push.n)
            if any(numbers != sorted(numbers) for numbers in pairs.values()):
                found.append(f"E4: {device.name} works to-device messages off in another order")
    return found


def _unlisted(world: "World") -> list[str]:
    """Devices that may read although their user does not know them."""
    with closing(sqlite3.connect(world.history.database)) as db:
        listed = {device for (device,) in db.execute("SELECT device_id FROM devices WHERE state = 'listed'")}
    return ["E2: the device of a thief is listed"] if listed & world.history.thieves else []


def _withheld(world: "World") -> list[str]:
    """Devices that were listed and got no keys though the server told the truth."""
    if world.with_lies or world.with_restores:
        return []
    return [
        f"E1: keys of message {offset} are withheld from {device} as {why}"
        for offset, device, why in sorted(world.history.withheld)
    ]


async def _shown_lies(world: "World", device: Device, shown: dict[int, DecryptedMessage]) -> list[str]:
    """Messages that a lying server shows once more, or under another name."""
    page = await device.history.page(device.room_id, 0)
    true = next((each for each in page if shown[each.at.offset].unreadable is None), None)
    if true is None:
        return []
    other = next(user for user in world.users if user != true.username)
    at = Position(true.at.epoch, page[-1].at.offset + 1000)
    lies = [
        (msgspec.structs.replace(true, at=at), device.room, Unreadable.REPLAYED),
        (msgspec.structs.replace(true, username=other), device.room, Unreadable.FORGED),
        (true, EncryptedRoom(device.room.name, "O" * 22), None),
    ]
    found = []
    for lie, room, why in lies:
        [read] = await device.encryption.decrypt(room, [lie])
        if read.unreadable is None or why not in {None, read.unreadable}:
            found.append(f"E3: {device.name} shows a lie as {read.unreadable}")
    return found


def _with_backup(world: "World") -> set[str]:
    """Users whose backup was made: a device that makes it may be killed, and never start again."""
    with closing(sqlite3.connect(world.history.database)) as db:
        made = {user_id for (user_id,) in db.execute("SELECT user_id FROM key_backups")}
    return {user for user in world.users if world.history.auth.names[user] in made}


async def _lost_for_good(world: "World", user: str, readable: set[int]) -> list[str]:
    """What a new device that has nothing but the recovery key can't read, and what it believes that is not true."""
    others = [device for device in world.devices if device.login.username != user and device.device_id]
    device = next(device for device in world.devices if device.login.username == user)
    planted = None
    if others:
        uid, writer = device.room.uid, others[0]
        plant = partial(PlantedSession.plant, world.history.database, device.login, writer.address)
        planted = await asyncio.to_thread(plant, writer.login.user_id, uid)
    new = await schedule.recover(world, user)
    if not new.room_id:
        return [f"E6: {world.happened[-1]}"]
    try:
        shown = await _everything(new)
    except Killed:
        return [f"E6: a new device of {user} does not read at all"]
    unread = [offset for offset in sorted(readable) if offset not in shown or shown[offset].unreadable is not None]
    found = [f"E6: with the recovery key, {user} can't read message {offset}" for offset in unread]
    if planted is not None and shown:
        [message, *_] = await new.history.page(new.room_id, 0)
        lie = msgspec.structs.replace(message, username=planted.username, content=planted.envelope)
        [read] = await new.encryption.decrypt(new.room, [lie])
        if read.unreadable is None:
            found.append(f"E3: {user} is shown a message of the server's as one of {planted.username}")
    return found
