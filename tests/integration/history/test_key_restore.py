"""After a backup of the server is restored, no key is given out twice, and devices notice that they missed messages."""

import sqlite3
from pathlib import Path

import pytest

from chatterbox.chassis.sqlite.backup import backup
from chatterbox.wire.encryption.key_api import DeviceState, KeyBackupHeader, UsersKeys
from chatterbox.wire.encryption.signatures import verify_user
from chatterbox.wire.errors import Code
from chatterbox.wire.frames.encryption import DeviceAddress
from chatterbox.wire.history_api import ClaimCall, ClaimedKeys, OpenDirectCall, RoomInfo
from services.history.restore import restore
from tests.support.history import Service, Start, code
from tests.support.key_client import ask, bind, key_user, list_devices, own_devices, read
from tests.support.key_user import KeyDevice, KeyUser

BILLION = 10**9


def rows(database: Path, sql: str) -> list[tuple[object, ...]]:
    with sqlite3.connect(database) as db:
        return db.execute(sql).fetchall()


async def claim(history: Service, by: KeyDevice, of: KeyDevice) -> ClaimedKeys:
    call = ClaimCall(user_id=by.user.user_id, sid="s-1", device=by.id, of=(DeviceAddress(of.user.username, of.id),))
    return await history.ask("claim", call, ClaimedKeys)


async def with_one_time_keys(history: Service, user: KeyUser) -> KeyDevice:
    """A listed device with two one-time keys and a fallback key."""
    device = user.device()
    upload = device.upload(one_time=device.one_time(2), fallback=device.fallback())
    (await ask(history, "PUT", "/keys/device", user.user.username, upload)).raise_for_status()
    (await ask(history, "PUT", "/keys/list", user.user.username, user.list([device]))).raise_for_status()
    return device


async def test_a_one_time_key_that_was_given_out_since_the_backup_is_not_given_out_again(
    start: Start, tmp_path: Path
) -> None:
    async with start() as history:
        await history.greet("alice", "bob")
        first, second = key_user(history, "alice").device(), key_user(history, "alice").device()
        await bind(history, first)
        await bind(history, second)
        device = await with_one_time_keys(history, key_user(history, "bob"))
        backup(history.settings.database, tmp_path / "copy")
        [given] = (await claim(history, first, device)).keys
    restore(history.settings.database, tmp_path / "copy")
    async with start() as history:
        assert (await own_devices(history, "bob")).devices[0].one_time == []
        [again] = (await claim(history, second, device)).keys
        assert again.key.key != given.key.key
        assert again.key.fallback


async def test_the_same_device_is_not_given_a_key_of_before_the_backup_again(start: Start, tmp_path: Path) -> None:
    async with start() as history:
        await history.greet("alice", "bob")
        mine = key_user(history, "alice").device()
        await bind(history, mine)
        device = await with_one_time_keys(history, key_user(history, "bob"))
        [given] = (await claim(history, mine, device)).keys
        backup(history.settings.database, tmp_path / "copy")
    restore(history.settings.database, tmp_path / "copy")
    async with start() as history:
        [again] = (await claim(history, mine, device)).keys
        assert again.key.key != given.key.key


async def test_inboxes_start_new_epochs_without_messages(start: Start, tmp_path: Path) -> None:
    async with start() as history:
        await history.greet("alice", "bob")
        alice = key_user(history, "alice")
        await list_devices(history, alice, alice.device())
        [before] = (await own_devices(history)).devices
    database = history.settings.database
    with sqlite3.connect(database) as db:
        db.execute("INSERT INTO to_device VALUES (1, 1, 1, 1, 'olm', 'body')")
        db.execute("INSERT INTO to_device_counts VALUES (1, 1, 7, 1)")
        db.execute("UPDATE devices SET inbox_head = 1, inbox_bytes = 4")
    backup(database, tmp_path / "copy")
    restore(database, tmp_path / "copy")
    assert rows(database, "SELECT * FROM to_device") == []
    assert rows(database, "SELECT last_n, waiting FROM to_device_counts") == [(-1, 0)]
    assert rows(database, "SELECT inbox_bytes FROM devices") == [(0,)]
    async with start() as history:
        [after] = (await own_devices(history)).devices
        assert after.inbox.epoch != before.inbox.epoch
        assert (after.inbox.offset, after.head) == (0, 0)


async def test_recipients_count_on_far_above_and_no_session_of_before_may_be_used(start: Start, tmp_path: Path) -> None:
    async with start() as history:
        await history.greet("alice", "bob")
        call = OpenDirectCall(history.auth.names["alice"], "alice", "bob", encrypted=True)
        await history.ask("direct", call, RoomInfo)
        alice = key_user(history, "alice")
        await list_devices(history, alice, alice.device())
    database = history.settings.database
    state = "SELECT recipients, closed_at FROM rooms WHERE encrypted"
    [(version, _)] = rows(database, state)
    backup(database, tmp_path / "copy")
    restore(database, tmp_path / "copy")
    assert isinstance(version, int)
    assert rows(database, state) == [(version + BILLION, version + BILLION)]
    assert rows(database, "SELECT recipients, closed_at FROM rooms WHERE NOT encrypted") == [(0, 0)]


async def test_a_list_that_is_older_than_what_its_owner_has_is_replaced_by_any_later_one(
    start: Start, tmp_path: Path
) -> None:
    async with start() as history:
        await history.greet("alice")
        alice = key_user(history, "alice")
        device, later = alice.device(), alice.device()
        await list_devices(history, alice, device)
        backup(history.settings.database, tmp_path / "copy")
        await bind(history, later)
        for version in (2, 3):
            answer = await ask(history, "PUT", "/keys/list", body=alice.list([device, later], version))
            answer.raise_for_status()
    restore(history.settings.database, tmp_path / "copy")
    async with start() as history:
        assert (await own_devices(history)).list_version == 1
        assert (await bind(history, later)).state is DeviceState.PENDING
        (await ask(history, "PUT", "/keys/list", body=alice.list([device, later], 4))).raise_for_status()
        assert [each.state for each in (await own_devices(history)).devices] == 2 * [DeviceState.LISTED]
        jump = await ask(history, "PUT", "/keys/list", body=alice.list([device, later], 6))
        assert code(jump) == (409, Code.LIST_STALE)


@pytest.mark.parametrize("name", ["alice", "bob"])
async def test_key_backups_are_kept(start: Start, tmp_path: Path, name: str) -> None:
    header = KeyBackupHeader(version=1, header="h")
    async with start() as history:
        await history.greet("alice", "bob")
        (await ask(history, "PUT", "/keys/backup", name, header)).raise_for_status()
        backup(history.settings.database, tmp_path / "copy")
    restore(history.settings.database, tmp_path / "copy")
    async with start() as history:
        assert (await ask(history, "GET", "/keys/backup", name)).json() == {"version": 1, "header": "h", "items": 0}


async def test_devices_that_the_backup_lacks_come_back_when_another_one_uploads_the_list(
    start: Start, tmp_path: Path
) -> None:
    async with start() as history:
        await history.greet("alice", "bob")
        alice, bob = key_user(history, "alice"), key_user(history, "bob")
        first = alice.device()
        await list_devices(history, alice, first)
        backup(history.settings.database, tmp_path / "copy")
        second, dehydrated = alice.device(), alice.device(is_dehydrated=True)
        later = alice.list([first, second, dehydrated], 2)
        await bind(history, second)
        await bind(history, dehydrated)
        (await ask(history, "PUT", "/keys/list", body=later)).raise_for_status()
        new = bob.device()
        await list_devices(history, bob, new)
        of_bob = bob.list([new], 2)
        (await ask(history, "PUT", "/keys/list", "bob", of_bob)).raise_for_status()
    restore(history.settings.database, tmp_path / "copy")
    async with start() as history:
        (await ask(history, "PUT", "/keys/list", body=later)).raise_for_status()
        (await ask(history, "PUT", "/keys/list", "bob", of_bob)).raise_for_status()
        [keys] = read(await ask(history, "GET", "/keys/users?name=alice", "bob"), UsersKeys).users
        verify_user(keys, keys.list.user_id)
        assert keys.device_keys.keys() == {first.id, second.id, dehydrated.id}
        states = {each.device: each.state for each in (await own_devices(history)).devices}
        assert states == {
            first.id: DeviceState.LISTED,
            second.id: DeviceState.ENDED,
            dehydrated.id: DeviceState.LISTED,
        }
        assert (await bind(history, second, proof=True)).state is DeviceState.LISTED
        refused = await ask(history, "PUT", "/keys/device", "bob", new.upload())
        assert code(refused) == (403, Code.DEVICE_UNBOUND)
        assert (await bind(history, new, proof=True)).state is DeviceState.LISTED
