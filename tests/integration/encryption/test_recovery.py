"""Recovery keys, the key backup and new devices, against the real server."""

from pathlib import Path

import pytest

from chatterbox.wire.encryption.key_api import BackupItem, KeyBackupHeader
from client.encryption.core.backup_format import BackupSecrets, encrypt_header
from client.encryption.core.trust import Trust
from client.encryption.device import backup_queue
from client.encryption.device.device_names import device_name, set_device_name
from client.encryption.device.device_setup import Standing
from client.encryption.device.key_backup import BackupProblem
from client.encryption.device.own_list import NotAllowed
from client.encryption.device.recovery import new_recovery_key
from client.encryption.sessions import room_sessions
from client.encryption.store.key_store import StoreTransaction
from tests.support.key_laptop import UID, Killed, Laptop, Laptops, begin_session


@pytest.fixture
async def ada(laptop: Laptops, tmp_path: Path) -> Laptop:
    return await laptop("ada", tmp_path / "ada", registers=True)


@pytest.fixture
async def recovery_key(ada: Laptop) -> bytes:
    """The recovery key of ada, whose first device made it."""
    key = new_recovery_key()
    await ada.run(ada.keys.recovery.adopt, ada.identity, key)
    return key


def session_key(laptop: Laptop, row: str) -> str | None:
    session = laptop.read(lambda transaction: room_sessions.export_session(transaction, row))
    return session.session_key if session else None


class TestTheRecoveryKey:
    async def test_leaves_the_master_key_in_the_backup_alone(self, ada: Laptop, recovery_key: bytes) -> None:
        secrets = ada.read(ada.identity.secrets)
        assert (secrets.master, len(secrets.self_signing), len(secrets.item_keys)) == (b"", 32, 1)
        header, version = await ada.run(ada.keys.backup.open_header, ada.identity, recovery_key)
        assert (len(header.master), version) == (32, 1)
        assert ada.read(ada.keys.recovery.is_made)

    async def test_is_asked_for_once_a_day_until_it_is_made(self, ada: Laptop) -> None:
        assert ada.read(ada.keys.recovery.is_reminder_due)
        assert not ada.read(ada.keys.recovery.is_reminder_due)
        ada.now_ms += 24 * 3600 * 1000
        assert ada.read(ada.keys.recovery.is_reminder_due)
        await ada.run(ada.keys.recovery.adopt, ada.identity, new_recovery_key())
        ada.now_ms += 24 * 3600 * 1000
        assert not ada.read(ada.keys.recovery.is_reminder_due)

    async def test_is_replaced_with_the_present_one_only(self, ada: Laptop, recovery_key: bytes) -> None:
        other = new_recovery_key()
        with pytest.raises(BackupProblem, match="already"):
            await ada.run(ada.keys.recovery.adopt, ada.identity, other)
        with pytest.raises(BackupProblem, match="does not open"):
            await ada.run(ada.keys.recovery.replace_key, ada.identity, other, other)
        await ada.run(ada.keys.recovery.replace_key, ada.identity, recovery_key, other)
        with pytest.raises(BackupProblem, match="does not open"):
            await ada.run(ada.keys.backup.open_header, ada.identity, recovery_key)
        await ada.run(ada.keys.backup.open_header, ada.identity, other)


class TestANewDevice:
    async def test_with_the_recovery_key_lists_itself_and_has_everything(
        self, laptop: Laptops, ada: Laptop, recovery_key: bytes, tmp_path: Path
    ) -> None:
        row = begin_session(ada)
        ada.read(lambda transaction: set_device_name(transaction, ada.identity.device_id, "desk", 5))
        bob = await laptop("bob", tmp_path / "bob", registers=True)
        [keys] = await ada.run(ada.keys.api.users, ["bob"])
        ada.read(lambda transaction: ada.keys.users.accept(transaction, keys))
        master = keys.master.public_key
        ada.read(lambda transaction: ada.keys.users.mark_verified(transaction, bob.identity.user_id, master))
        assert await ada.run(ada.keys.backup.upload_all, ada.identity) == 0

        second = await laptop("ada", tmp_path / "second")
        assert second.result.standing is Standing.PENDING
        recovered = await second.run(second.keys.recovery.recover, second.identity, recovery_key)
        assert recovered.user is not None
        assert second.identity.device_id in recovered.user.devices
        assert recovered.restored.bad == 0
        assert session_key(second, row) == session_key(ada, row) is not None
        known = second.read(lambda transaction: second.keys.users.known(transaction, bob.identity.user_id))
        assert known is not None
        assert known.trust is Trust.VERIFIED
        named = second.read(lambda transaction: device_name(transaction, ada.identity.device_id))
        assert named is not None
        assert named.name == "desk"
        assert (await second.set_up()).standing is Standing.READY

    async def test_with_a_wrong_recovery_key_stays_out(
        self, laptop: Laptops, ada: Laptop, recovery_key: bytes, tmp_path: Path
    ) -> None:
        second = await laptop("ada", tmp_path / "second")
        with pytest.raises(BackupProblem, match="does not open"):
            await second.run(second.keys.recovery.recover, second.identity, new_recovery_key())
        assert (await second.set_up()).standing is Standing.PENDING

    async def test_without_a_backup_there_is_nothing_to_recover(
        self, laptop: Laptops, ada: Laptop, tmp_path: Path
    ) -> None:
        second = await laptop("ada", tmp_path / "second")
        with pytest.raises(BackupProblem, match="no key backup"):
            await second.run(second.keys.recovery.recover, second.identity, new_recovery_key())

    async def test_let_in_by_another_device_gets_the_secrets_and_reads_the_backup(
        self, laptop: Laptops, ada: Laptop, recovery_key: bytes, tmp_path: Path
    ) -> None:
        row = begin_session(ada)
        await ada.run(ada.keys.backup.upload_all, ada.identity)
        second = await laptop("ada", tmp_path / "second")
        with pytest.raises(NotAllowed):
            await second.run(second.keys.recovery.remove, second.identity, ada.identity.device_id)
        await ada.run(ada.keys.approval.approve, ada.identity, second.identity.device_id, second.identity.ed25519)
        content = ada.read(lambda transaction: ada.keys.approval.secrets_for(transaction, ada.identity))
        await second.set_up()
        second.hand_over(ada, content)
        restored = await second.run(second.keys.backup.fetch, second.identity)
        assert (restored.items, restored.bad) == (restored.items, 0)
        assert session_key(second, row) == session_key(ada, row) is not None
        third = await laptop("ada", tmp_path / "third")
        await second.run(
            second.keys.approval.approve, second.identity, third.identity.device_id, third.identity.ed25519
        )
        assert (await third.set_up()).standing is Standing.READY


class TestStartAgain:
    async def test_with_new_keys_other_devices_are_out_and_contacts_see_the_change(
        self, laptop: Laptops, ada: Laptop, recovery_key: bytes, tmp_path: Path
    ) -> None:
        bob = await laptop("bob", tmp_path / "bob", registers=True)
        begin_session(ada)
        await ada.run(ada.keys.backup.upload_all, ada.identity)
        [keys] = await bob.run(bob.keys.api.users, ["ada"])
        bob.read(lambda transaction: bob.keys.users.accept(transaction, keys))

        second = await laptop("ada", tmp_path / "second")
        cost = await second.run(second.keys.recovery.cost_of_reset, second.identity)
        assert (cost.locked_items > 0, cost.devices) == (True, 1)
        await second.run(second.keys.recovery.reset, second.identity)
        assert (await second.set_up()).standing is Standing.READY
        assert (await ada.set_up()).standing is Standing.PENDING
        [keys] = await bob.run(bob.keys.api.users, ["ada"])
        seen = bob.read(lambda transaction: bob.keys.users.accept(transaction, keys))
        assert seen is not None
        assert (seen.trust, seen.is_news) == (Trust.CHANGED, True)
        key = new_recovery_key()
        await second.run(second.keys.recovery.adopt, second.identity, key)
        await ada.run(ada.keys.recovery.recover, ada.identity, key)
        assert (await ada.set_up()).standing is Standing.READY


class TestAStolenDevice:
    async def test_is_out_and_all_its_keys_are_replaced(
        self, laptop: Laptops, ada: Laptop, recovery_key: bytes, tmp_path: Path
    ) -> None:
        thief = await laptop("ada", tmp_path / "thief")
        await thief.run(thief.keys.recovery.recover, thief.identity, recovery_key)
        other = await laptop("ada", tmp_path / "other")
        await other.run(other.keys.recovery.recover, other.identity, recovery_key)
        before = ada.read(ada.identity.secrets)
        row = begin_session(other)
        await other.run(other.keys.backup.upload_all, other.identity)

        await ada.run(ada.keys.recovery.remove_stolen, ada.identity, thief.identity.device_id, recovery_key)
        after = ada.read(ada.identity.secrets)
        assert before.self_signing != after.self_signing
        assert after.item_keys[1:] == before.item_keys
        assert (await thief.set_up()).standing is Standing.REMOVED
        with pytest.raises(NotAllowed):
            await thief.run(thief.keys.recovery.remove, thief.identity, ada.identity.device_id)
        assert (await other.set_up()).standing is Standing.READY
        assert other.read(other.identity.secrets).self_signing == b""
        other.hand_over(ada, ada.read(lambda transaction: ada.keys.approval.secrets_for(transaction, ada.identity)))
        assert other.read(other.identity.secrets).self_signing == after.self_signing
        assert await other.run(other.keys.backup.upload_all, other.identity) == 0
        fourth = await laptop("ada", tmp_path / "fourth")
        recovered = await fourth.run(fourth.keys.recovery.recover, fourth.identity, recovery_key)
        assert recovered.restored.bad == 0
        assert session_key(fourth, row) == session_key(other, row) is not None


class TestAServerThatLies:
    async def test_planted_and_exchanged_items_do_not_get_in(self, ada: Laptop, recovery_key: bytes) -> None:
        first, second = begin_session(ada), begin_session(ada, "v" * 22)
        await ada.run(ada.keys.backup.upload_all, ada.identity)
        page = await ada.run(ada.keys.api.backup_items, 0)
        bodies = [item.body for item in page.items]
        swapped = [BackupItem(item=item.item, body=body) for item, body in zip(page.items, bodies[::-1], strict=True)]
        await ada.run(ada.keys.api.add_backup_items, [*swapped, BackupItem(item="planted", body="A" * 300)], 1)
        held = {row: session_key(ada, row) for row in (first, second)}
        restored = await ada.run(ada.keys.backup.fetch, ada.identity)
        assert restored.bad >= len(swapped) // 2 * 2
        assert {row: session_key(ada, row) for row in held} == held
        assert restored.arrived == set()

    async def test_an_earlier_header_shows(
        self, laptop: Laptops, ada: Laptop, recovery_key: bytes, tmp_path: Path
    ) -> None:
        thief = await laptop("ada", tmp_path / "thief")
        await thief.run(thief.keys.recovery.recover, thief.identity, recovery_key)
        stored = await ada.run(ada.keys.api.backup)
        assert stored is not None
        await ada.run(ada.keys.recovery.remove_stolen, ada.identity, thief.identity.device_id, recovery_key)
        old = stored

        def answer_with_the_old_one() -> KeyBackupHeader:
            return old

        ada.keys.api.backup = answer_with_the_old_one  # type: ignore[method-assign]
        with pytest.raises(BackupProblem, match="earlier key backup"):
            await ada.run(ada.keys.backup.open_header, ada.identity, recovery_key)
        new = await laptop("ada", tmp_path / "new")
        new.keys.api.backup = answer_with_the_old_one  # type: ignore[method-assign]
        with pytest.raises(BackupProblem, match="earlier key backup or device list"):
            await new.run(new.keys.recovery.recover, new.identity, recovery_key)
        assert new.read(new.identity.secrets).self_signing == b""

    async def test_a_header_of_other_keys_is_not_used(self, ada: Laptop, recovery_key: bytes) -> None:
        header = BackupSecrets(
            master=b"m" * 32, self_signing=b"s" * 32, item_keys=(b"i" * 32,), generation=1, list_version=1
        )
        text = encrypt_header(recovery_key, ada.identity.user_id, 2, header, b"n" * 12)
        await ada.run(ada.keys.api.put_backup, KeyBackupHeader(version=2, header=text))
        with pytest.raises(BackupProblem, match="other keys"):
            await ada.run(ada.keys.recovery.recover, ada.identity, recovery_key)


class TestTheBackup:
    async def test_keeps_what_two_devices_add_and_each_fetches_what_is_new(
        self, laptop: Laptops, ada: Laptop, recovery_key: bytes, tmp_path: Path
    ) -> None:
        second = await laptop("ada", tmp_path / "second")
        await second.run(second.keys.recovery.recover, second.identity, recovery_key)
        row = begin_session(second)
        assert await second.run(second.keys.backup.upload_all, second.identity) == 0
        restored = await ada.run(ada.keys.backup.fetch, ada.identity)
        assert (UID, row.split("/")[1]) in restored.arrived
        assert session_key(ada, row) is not None
        assert (await ada.run(ada.keys.backup.fetch, ada.identity)).items == 0

    async def test_nothing_counts_as_kept_before_there_is_one(self, ada: Laptop) -> None:
        begin_session(ada)
        waiting = ada.read(backup_queue.waiting)
        assert waiting > 0
        assert await ada.run(ada.keys.backup.upload_all, ada.identity) == waiting
        await ada.run(ada.keys.recovery.adopt, ada.identity, new_recovery_key())
        assert await ada.run(ada.keys.backup.upload_all, ada.identity) == 0

    async def test_takes_thousands_of_sessions_in_requests_of_limited_size(
        self, laptop: Laptops, ada: Laptop, recovery_key: bytes, tmp_path: Path
    ) -> None:
        for number in range(300):
            begin_session(ada, f"{number:022}")
        assert await ada.run(ada.keys.backup.upload_all, ada.identity) == 0
        second = await laptop("ada", tmp_path / "second")
        recovered = await second.run(second.keys.recovery.recover, second.identity, recovery_key)
        assert len(recovered.restored.arrived) == 300

    async def test_an_item_queued_again_while_it_is_uploaded_stays_queued(self, ada: Laptop) -> None:
        def twice(transaction: StoreTransaction) -> int:
            backup_queue.add(transaction, backup_queue.BackupKind.KNOWN_KEY, "7")
            sent = backup_queue.first(transaction, 100)
            backup_queue.add(transaction, backup_queue.BackupKind.KNOWN_KEY, "7")
            backup_queue.remove(transaction, sent)
            return backup_queue.waiting(transaction, backup_queue.BackupKind.KNOWN_KEY)

        assert ada.read(twice) == 1


class TestAClientKilledMeanwhile:
    @pytest.mark.parametrize("is_done", [False, True])
    @pytest.mark.parametrize("name", ["backup", "put_backup"])
    async def test_makes_the_same_backup_at_its_next_start(self, ada: Laptop, name: str, is_done: bool) -> None:
        key = new_recovery_key()
        ada.cut(name, is_done=is_done)
        with pytest.raises(Killed):
            await ada.run(ada.keys.recovery.adopt, ada.identity, key)
        ada.crash()
        await ada.set_up()
        if name == "backup":  # nothing was decided yet
            assert ada.read(ada.identity.secrets).master
            await ada.run(ada.keys.recovery.adopt, ada.identity, key)
        assert not ada.read(ada.identity.secrets).master
        header, version = await ada.run(ada.keys.backup.open_header, ada.identity, key)
        assert (len(header.master), version) == (32, 1)
        assert await ada.run(ada.keys.backup.upload_all, ada.identity) == 0

    @pytest.mark.parametrize("is_done", [False, True])
    @pytest.mark.parametrize("name", ["put_list", "put_backup"])
    async def test_finishes_the_removal_of_a_stolen_device_at_its_next_start(
        self, laptop: Laptops, ada: Laptop, recovery_key: bytes, tmp_path: Path, name: str, is_done: bool
    ) -> None:
        thief = await laptop("ada", tmp_path / "thief")
        await thief.run(thief.keys.recovery.recover, thief.identity, recovery_key)
        ada.cut(name, is_done=is_done)
        stolen = thief.identity.device_id
        with pytest.raises(Killed):
            await ada.run(ada.keys.recovery.remove_stolen, ada.identity, stolen, recovery_key)
        ada.crash()
        assert (await ada.set_up()).standing is Standing.READY
        assert (await thief.set_up()).standing is Standing.REMOVED
        new = await laptop("ada", tmp_path / "new")
        await new.run(new.keys.recovery.recover, new.identity, recovery_key)
        assert (await new.set_up()).standing is Standing.READY
        assert new.read(new.identity.secrets) == ada.read(ada.identity.secrets)

    @pytest.mark.parametrize("is_done", [False, True])
    async def test_finishes_the_reset_at_its_next_start(
        self, laptop: Laptops, ada: Laptop, tmp_path: Path, is_done: bool
    ) -> None:
        second = await laptop("ada", tmp_path / "second")
        second.cut("put_list", is_done=is_done)
        with pytest.raises(Killed):
            await second.run(second.keys.recovery.reset, second.identity)
        second.crash()
        assert (await second.set_up()).standing is Standing.READY
        assert second.read(second.identity.secrets).master
        assert (await ada.set_up()).standing is Standing.PENDING
