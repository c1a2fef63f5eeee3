"""What a lying server, and who has stolen a password, try: devices that no user listed, and keys that nobody gave."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import vodozemac

from chatterbox.wire.encryption.device_keys import UserKeys, matrix_room
from chatterbox.wire.encryption.envelope import to_base64url
from chatterbox.wire.encryption.key_api import UsersKeys
from chatterbox.wire.encryption.signatures import device_hash
from chatterbox.wire.frames.encryption import DeviceAddress
from client.encryption.core.backup_format import ItemContent
from client.encryption.core.backup_items import BackupSession
from client.encryption.device.backup_queue import BackupKind
from tests.simulation.encryption.site import HistoryProcess, Login
from tests.support.encryption.model_device import ModelDevice, ModelUser, OutboundSession
from tests.support.olm_device import OlmDevice, OlmUser

_ADD = """
    INSERT INTO devices (user_id, username, device_id, sid, keys, state, generation, inbox_epoch, created_ms, seen_ms)
    VALUES (?, ?, ?, 'ghost', ?, 'listed', 1, 'ghost', ?, ?) RETURNING id
"""
_CHANGED = """
    UPDATE rooms SET recipients = recipients + 1, closed_at = CASE WHEN ? THEN recipients + 1 ELSE closed_at END
    WHERE encrypted
"""


class GhostDevice:
    """A device that the server adds to a user's list: it has the keys of it, and the user's signature does not."""

    def __init__(self, database: Path, user_id: int, username: str, row: int, device: ModelDevice, true: str) -> None:
        self._database = database
        self._row = row
        self._true = true
        self.address = DeviceAddress(username, device.device_id)
        self._user_id = user_id

    @classmethod
    def appear(cls, database: Path, login: Login, now_ms: int) -> "GhostDevice | None":
        """Add one to the user's devices and list; None: the user has no list yet."""
        ghost = ModelUser(login.user_id, login.username).add_device()
        with closing(sqlite3.connect(database)) as db, db:
            found = db.execute("SELECT list FROM device_lists WHERE user_id = ?", (login.user_id,)).fetchone()
            if found is None:
                return None
            [true] = found
            keys = msgspec.json.encode(ghost.keys()).decode()
            row = db.execute(_ADD, (login.user_id, login.username, ghost.device_id, keys, now_ms, now_ms)).fetchone()[0]
            [(key_id, key)] = ghost.fallback_key().items()
            db.execute(
                "INSERT INTO fallback_keys (device, key_id, key) VALUES (?, ?, ?)",
                (row, key_id, msgspec.json.encode(key).decode()),
            )
            false = json.loads(true)
            false["devices"][ghost.device_id] = device_hash(ghost.keys())
            false["version"] += 1
            cls._show(db, login.user_id, json.dumps(false))
            db.execute(_CHANGED, (False,))
        return cls(database, login.user_id, login.username, row, ghost, true)

    @staticmethod
    def _show(db: sqlite3.Connection, user_id: int, shown: str) -> None:
        version = json.loads(shown)["version"]
        db.execute("UPDATE device_lists SET list = ?, version = ? WHERE user_id = ?", (shown, version, user_id))

    def was_given(self) -> bool:
        """Whether any device encrypted something for it."""
        with closing(sqlite3.connect(self._database)) as db:
            [count] = db.execute("SELECT count(*) FROM to_device_counts WHERE to_device = ?", (self._row,)).fetchone()
            return bool(count)

    def disappear(self) -> None:
        """The server tells the truth again."""
        with closing(sqlite3.connect(self._database)) as db, db:
            [shown] = db.execute("SELECT list FROM device_lists WHERE user_id = ?", (self._user_id,)).fetchone()
            if self.address.device in json.loads(shown)["devices"]:
                self._show(db, self._user_id, self._true)
            db.execute("UPDATE devices SET state = 'removed' WHERE id = ?", (self._row,))
            db.execute(_CHANGED, (True,))


async def list_a_thief(history: HistoryProcess, login: Login) -> str:
    """Somebody with the user's password, and no key of the user, uploads a device and a list with it; returns its id.

    The list is signed with a key of their own, and names those of the user.
    """
    found = await history.http("GET", f"/keys/users?name={login.username}", login)
    shown = next(iter(msgspec.json.decode(found.content, type=UsersKeys).users), None)
    thief = OlmUser(login.user_id, login.username)
    device = OlmDevice(thief, ModelDevice(login.user_id).device_id)
    await history.http("PUT", "/keys/device", login, msgspec.to_builtins(device.upload()))
    if shown is not None:
        await history.http("PUT", "/keys/list", login, _forged(thief, device, shown))
    return device.device_id


def _forged(thief: OlmUser, device: OlmDevice, shown: UserKeys) -> Any:
    thief.generation, thief.version = shown.list.generation, shown.list.version
    forged = thief.list_devices(device, removed=shown.list.removed)
    listed = msgspec.structs.replace(
        forged.list, devices={**shown.list.devices, **forged.list.devices}, dehydrated=shown.list.dehydrated
    )
    return msgspec.to_builtins(
        msgspec.structs.replace(
            forged,
            master=shown.master,
            self_signing=shown.self_signing,
            list=listed,
            device_keys={**shown.device_keys, **forged.device_keys},
        )
    )


class PlantedSession(NamedTuple):
    """A session that the server made, put into a user's key backup as if it were one of another user."""

    envelope: str
    """A message encrypted with it."""
    username: str

    @classmethod
    def plant(cls, database: Path, reader: Login, writer: DeviceAddress, writer_id: int, uid: str) -> "PlantedSession":
        """Put one into the backup of `reader`, as the keys of a message of `writer`."""
        forger = ModelDevice(writer_id, writer.device)
        session = OutboundSession(forger, uid)
        exported = vodozemac.InboundGroupSession(vodozemac.SessionKey(session.key)).export_at(0)
        assert exported is not None
        item = BackupSession(
            room_id=matrix_room(uid),
            session_id=session.session_id,
            session_key=exported.to_base64(),
            sender_key=forger.curve,
            sender_claimed_keys={"ed25519": forger.signing},
            user_id=writer_id,
            username=writer.username,
            device=writer.device,
            master="",
        )
        content = ItemContent(BackupKind.ROOM_SESSION, "planted", msgspec.json.encode(item))
        with closing(sqlite3.connect(database)) as db, db:
            [seq] = db.execute("SELECT last_seq + 1 FROM key_backups WHERE user_id = ?", (reader.user_id,)).fetchone()
            db.execute(
                "INSERT INTO key_backup_items (user_id, item, seq, body) VALUES (?, ?, ?, ?)",
                (reader.user_id, "p" * 43, seq, to_base64url(msgspec.msgpack.encode(content))),
            )
            db.execute(
                "UPDATE key_backups SET last_seq = ?, items = items + 1 WHERE user_id = ?", (seq, reader.user_id)
            )
        return cls(session.envelope("send me money"), writer.username)
