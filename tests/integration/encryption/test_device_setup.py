"""Setup of devices against the real server: first device, further ones, new logins, crashes, old copies of a store."""

from contextlib import closing
from pathlib import Path

import pytest

from chatterbox.wire.encryption.key_api import DeviceUpload, OwnDevice
from client.encryption.core.trust import Trust
from client.encryption.device.device_setup import Standing
from client.encryption.device.own_keys import OwnKeys
from client.encryption.store.key_store import Table
from client.encryption.store.store_key import open_key_store
from client.failures import Unreachable
from client.net.keys_api import KeysApi
from tests.support.key_laptop import Killed, Laptop, Laptops
from tests.support.server import Server, running


@pytest.fixture
async def ada(laptop: Laptops, tmp_path: Path) -> Laptop:
    return await laptop("ada", tmp_path / "ada", registers=True)


async def test_the_first_device_is_listed_with_one_time_keys_and_a_verified_own_key(ada: Laptop) -> None:
    assert (ada.result.standing, ada.result.is_first) == (Standing.READY, True)
    assert len(ada.result.one_time) == 50
    [device] = (await ada.run(ada.keys.api.devices)).devices
    assert (device.device, device.current, device.fallback_used) == (ada.identity.device_id, True, False)
    assert ada.result.own is not None
    assert ada.result.own.trust is Trust.VERIFIED


async def test_another_start_uploads_no_further_one_time_keys(ada: Laptop) -> None:
    held = ada.result.one_time
    result = await ada.set_up()
    assert (result.standing, result.is_first, result.was_superseded) == (Standing.READY, False, False)
    assert result.one_time == held


async def test_a_further_device_waits_to_be_let_in(laptop: Laptops, ada: Laptop, tmp_path: Path) -> None:
    second = await laptop("ada", tmp_path / "second")
    assert (second.result.standing, second.result.may_encrypt) == (Standing.PENDING, False)
    assert second.result.own is not None
    assert list(second.result.own.devices) == [ada.identity.device_id]


async def test_a_new_login_with_the_same_store_is_the_same_device(ada: Laptop) -> None:
    device = ada.identity.device_id
    await ada.log_in()
    await ada.set_up()
    assert (ada.result.standing, ada.identity.device_id) == (Standing.READY, device)


async def test_a_removed_device_stays_out(laptop: Laptops, ada: Laptop, tmp_path: Path) -> None:
    second = await laptop("ada", tmp_path / "second")
    ed25519 = second.identity.ed25519
    await ada.run(ada.keys.approval.approve, ada.identity, second.identity.device_id, ed25519)
    assert (await second.set_up()).standing is Standing.READY
    await ada.run(ada.keys.recovery.remove, ada.identity, second.identity.device_id)
    assert (await second.set_up()).standing is Standing.REMOVED
    await second.log_in()
    assert (await second.set_up()).standing is Standing.REMOVED


async def test_an_ended_device_is_back_with_the_next_login(laptop: Laptops, ada: Laptop, tmp_path: Path) -> None:
    second = await laptop("ada", tmp_path / "second")
    await ada.run(ada.keys.approval.approve, ada.identity, second.identity.device_id, second.identity.ed25519)
    await second.set_up()
    await ada.run(ada.keys.api.delete_device, second.identity.device_id)
    assert (await second.set_up()).standing is Standing.ENDED
    await second.log_in()
    assert (await second.set_up()).standing is Standing.READY


async def test_a_refused_device_is_removed(laptop: Laptops, ada: Laptop, tmp_path: Path) -> None:
    second = await laptop("ada", tmp_path / "second")
    [pending] = await ada.run(ada.keys.approval.pending)
    assert pending.device == second.identity.device_id
    await ada.run(ada.keys.approval.refuse, pending.device)
    assert (await second.set_up()).standing is Standing.REMOVED


async def test_other_keys_than_the_compared_ones_are_not_approved(laptop: Laptops, ada: Laptop, tmp_path: Path) -> None:
    second = await laptop("ada", tmp_path / "second")
    with pytest.raises(Exception, match="other keys"):
        await ada.run(ada.keys.approval.approve, ada.identity, second.identity.device_id, ada.identity.ed25519)


async def test_a_server_without_encryption_takes_no_keys(tmp_path: Path) -> None:
    async with running(tmp_path / "off", encryption="off") as server:
        laptops = Laptops(server)
        ada = await laptops("ada", tmp_path / "ada", registers=True)
        assert ada.result.standing is Standing.OFF
        assert ada.read(lambda transaction: transaction.names(Table.ACCOUNT)) == []
        laptops.close()


CALLS = ("devices", "put_device", "users", "put_list")


@pytest.mark.parametrize("is_done", [False, True])
@pytest.mark.parametrize("name", CALLS)
async def test_a_client_killed_during_its_first_setup_finishes_it_at_the_next_start(
    server: Server, laptop: Laptops, tmp_path: Path, name: str, is_done: bool
) -> None:
    await server.register("ada")
    ada = await laptop.add("ada", tmp_path / "ada").log_in()
    ada.cut(name, is_done=is_done)
    with pytest.raises(Killed):
        await ada.set_up()
    ada.crash()
    result = await ada.set_up()
    assert (result.standing, result.was_superseded) == (Standing.READY, False)
    devices = await ada.run(ada.keys.api.devices)
    assert [device.device for device in devices.devices] == [ada.identity.device_id]
    assert (devices.list_version, len(devices.devices[0].one_time)) == (1, 50)


class TestOldCopiesOfAStore:
    async def test_a_store_restored_from_a_backup_begins_new_sessions(self, ada: Laptop, tmp_path: Path) -> None:
        ada.backup_of_the_disk(tmp_path / "copy")
        await ada.set_up()
        held = set((await ada.set_up()).one_time)
        ada.restore_the_disk(tmp_path / "copy")
        with ada.keys.store.transaction() as transaction:
            transaction.put(Table.OUTBOUND, "room", b"")
        result = await ada.set_up()
        assert (result.standing, result.was_superseded) == (Standing.READY, True)
        assert ada.read(lambda transaction: transaction.names(Table.OUTBOUND)) == []
        assert not held & set(result.one_time), "the old copy lacks the private halves of the keys at the server"
        assert not (await ada.set_up()).was_superseded, "it is told once"

    async def test_two_computers_with_one_store_refuse_to_encrypt(
        self, laptop: Laptops, ada: Laptop, tmp_path: Path
    ) -> None:
        ada.backup_of_the_disk(tmp_path / "clone")
        clone = await laptop.add("ada", tmp_path / "clone").log_in()
        await ada.set_up()
        assert (await clone.set_up()).was_superseded
        await ada.log_in()
        assert (await ada.set_up()).was_superseded
        await clone.log_in()
        clone.now_ms += 59_000
        result = await clone.set_up()
        assert (result.standing, result.may_encrypt) == (Standing.CLASHES, False)

    async def test_a_clone_that_comes_back_after_a_minute_begins_new_sessions_again(
        self, laptop: Laptops, ada: Laptop, tmp_path: Path
    ) -> None:
        ada.backup_of_the_disk(tmp_path / "clone")
        clone = await laptop.add("ada", tmp_path / "clone").log_in()
        await ada.set_up()
        await clone.set_up()
        await ada.log_in()
        await ada.set_up()
        await clone.log_in()
        clone.now_ms += 61_000
        assert (await clone.set_up()).standing is Standing.READY


async def test_a_server_that_can_not_be_reached_leaves_the_setup_for_later(ada: Laptop) -> None:
    ada.cut("devices", is_done=False, how=lambda: Unreachable("no route"))
    with pytest.raises(Unreachable):
        await ada.set_up()
    assert (await ada.set_up()).standing is Standing.READY


async def test_programs_that_start_at_once_with_one_key_store_all_start(
    laptop: Laptops, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one whose number reaches the server last is no old copy, though its number is lower."""
    ada = await laptop("ada", tmp_path / "ada", registers=True)
    put_device = KeysApi.put_device
    session, now_ms = ada.keys.setup.session, ada.now_ms

    def after_another(api: KeysApi, upload: DeviceUpload) -> OwnDevice:
        monkeypatch.setattr(KeysApi, "put_device", put_device)
        store = open_key_store(ada.home, ada.server.url, "ada")
        with closing(store), KeysApi(ada.server.url, ada.token) as other:
            OwnKeys(store, other, username="ada", session=session, now_ms=lambda: now_ms).set_up()
        return put_device(api, upload)

    monkeypatch.setattr(KeysApi, "put_device", after_another)
    result = await ada.set_up()
    assert (result.standing, result.was_superseded) == (Standing.READY, False)
