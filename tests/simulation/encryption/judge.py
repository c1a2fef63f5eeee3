"""What must hold after every schedule: E1 to E7 of docs/encryption.md.

- E1: every device that could read the room when a message was stored reads it in the end. Excepted are messages of a
  device that its owner removed: who had not taken their keys by then does not take them any more.
- E2: no other device can, from all that it ever received.
- E3: one key has one stored message, which says what was typed.
- E4: each to-device message is worked off once, and in order for each pair of devices.
- E5: no ratchet index encrypts two texts.
- E6: with the recovery key alone, everything can be read again.
- E7: no word of a text is in a file of the server, in its log, or in a file of a client.
"""

import sqlite3
from collections import Counter
from contextlib import closing
from typing import TYPE_CHECKING

from client.encryption.core.trust import DecryptedMessage
from tests.simulation.encryption import schedule
from tests.simulation.encryption.device import Device
from tests.simulation.encryption.kept_keys import Killed

if TYPE_CHECKING:
    from tests.simulation.encryption.schedule import World


async def problems(world: "World", logged: list[str]) -> list[str]:
    """Everything that is wrong, one sentence each."""
    await schedule.heal(world)
    found = [*_stored_twice(world), *_indexes_used_twice(world), *_words_in_clear(world, logged)]
    found += _not_sent(world)
    for device in world.devices:
        found += await _unreadable_or_leaked(world, device)
    return found


def _not_sent(world: "World") -> list[str]:
    """What waits although both users have devices that read."""
    able = [each for each in world.devices if not each.is_dead and not each.is_out and each.may_encrypt]
    if len({each.login.username for each in able}) < len(schedule.USERS):
        return []
    return [f"E1: {each.name} can't send {len(each.outbox)} texts" for each in able if each.outbox]


async def _unreadable_or_leaked(world: "World", device: Device) -> list[str]:
    if not device.device_id:
        return []
    try:
        shown = await _everything(device)
    except Killed:
        return [f"E1: {device.name} does not read at all"]
    removed = {each.address for each in world.devices if each.was_removed}
    found = []
    for text in world.history.texts:
        read = shown.get(text.offset)
        is_entitled = device.address in text.entitled
        is_lost = text.offset <= device.lost_before or text.session in device.lost_sessions or text.sender in removed
        if is_entitled and not device.is_out and not is_lost:
            if read is None or read.unreadable is not None:
                why = "is not shown" if read is None else read.unreadable
                found.append(f"E1: {device.name} can't read message {text.offset} ({why})")
            elif read.content != text.text:
                found.append(f"E3: message {text.offset} is not what was typed")
            elif read.irregularity is not None and not _may_be_irregular(world):
                found.append(f"E3: {device.name} is told that message {text.offset} is {read.irregularity}")
        if not is_entitled and read is not None and read.unreadable is None:
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
        for (_, index), bodies in world.history.bodies.items()
        if len(bodies) > 1
    ]


def _words_in_clear(world: "World", logged: list[str]) -> list[str]:
    words = [word.encode() for word in schedule.WORDS.split()]
    files = [path for path in sorted(world.folder.rglob("*")) if path.is_file()]
    found = [
        f"E7: {path.name} has words of a text in clear"
        for path in files
        if any(word in path.read_bytes() for word in words)
    ]
    if any(word.decode() in line for line in logged for word in words):
        found.append("E7: the log has words of a text")
    return found
