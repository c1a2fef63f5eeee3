"""Contract tests of what stores devices and their keys: what every implementation of `KeysStore` does."""

from collections.abc import AsyncIterator, Awaitable
from pathlib import Path

import msgspec
import pytest

from chatterbox.wire.auth_api import UserInfo
from chatterbox.wire.broker_events import DeviceAppeared, DeviceListChanged
from chatterbox.wire.encryption.key_api import (
    BackupItem,
    BackupItemsUpload,
    DeviceState,
    KeyBackupHeader,
    OneTimeKeysUpload,
)
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.frames.encryption import DeviceAddress
from chatterbox.wire.history_api import ClaimCall, ClaimedKeys
from chatterbox.wire.text_rules import timestamp
from services.history.encryption.device_store import KeysStore, LoginOfUser
from tests.support.device_stores import DEVICE_STORES, DeviceStoreOpener, OpenedDevices
from tests.support.history import UNHURRIED
from tests.support.key_user import KeyDevice, KeyUser

ADA, BOB = UserInfo(1, "ada"), UserInfo(2, "bob")
LOGIN = LoginOfUser(ADA, "s-1")
HOUR_MS = 3600 * 1000
DAY_MS = 24 * HOUR_MS
FEW = msgspec.structs.replace(UNHURRIED, devices_per_user=3, one_time_keys=4, backup_items=3)


@pytest.fixture(params=DEVICE_STORES)
def opener(request: pytest.FixtureRequest, tmp_path: Path) -> DeviceStoreOpener:
    return DeviceStoreOpener(DEVICE_STORES[request.param], tmp_path, [ADA, BOB], FEW)


@pytest.fixture
async def opened(opener: DeviceStoreOpener) -> AsyncIterator[OpenedDevices]:
    async with opener() as opened:
        yield opened


@pytest.fixture
def store(opened: OpenedDevices) -> KeysStore:
    return opened.store


@pytest.fixture
def ada() -> KeyUser:
    return KeyUser(ADA)


@pytest.fixture
def bob() -> KeyUser:
    return KeyUser(BOB)


async def refusal(attempt: Awaitable[object]) -> Code:
    with pytest.raises(ChatError) as refused:
        await attempt
    return refused.value.code


async def claim(store: KeysStore, by: KeyDevice, *of: KeyDevice, sid: str = "s-1") -> ClaimedKeys:
    addresses = tuple(DeviceAddress(device.user.username, device.id) for device in of)
    return await store.claim(ClaimCall(user_id=by.user.user_id, sid=sid, device=by.id, of=addresses))


class TestDevices:
    async def test_a_new_device_is_pending_and_belongs_to_the_session_that_uploaded_it(
        self, opened: OpenedDevices, ada: KeyUser
    ) -> None:
        device = ada.device()
        keys = device.one_time(2)
        own = await opened.store.bind_device(LOGIN, device.upload(one_time=keys), is_proven=False)
        assert (own.device, own.state, own.generation, own.current) == (device.id, DeviceState.PENDING, 1, True)
        assert own.one_time == list(keys)
        assert not own.fallback_used
        assert own.since == own.seen == timestamp(opened.clock.now)
        assert (own.inbox.offset, own.head) == (0, 0)
        listed = await opened.store.own_devices(LOGIN)
        assert listed.devices == [own]
        assert (listed.list_version, listed.user_id) == (0, ADA.user_id)

    async def test_only_a_device_that_comes_after_a_list_is_told_to_its_owner(
        self, opened: OpenedDevices, ada: KeyUser
    ) -> None:
        first, second = ada.device(), ada.device()
        await opened.list_devices(ada, first)
        assert not any(isinstance(signal, DeviceAppeared) for signal in opened.signals)
        await opened.bind(second)
        await opened.bind(ada.device(is_dehydrated=True))
        appeared = [signal for signal in opened.signals if isinstance(signal, DeviceAppeared)]
        assert [(signal.user_id, signal.device) for signal in appeared] == [(ADA.user_id, second.id)]

    async def test_a_generation_that_is_not_higher_comes_from_an_old_copy(
        self, opened: OpenedDevices, ada: KeyUser
    ) -> None:
        device = ada.device()
        await opened.bind(device)
        device.generation = 0
        assert await refusal(opened.bind(device)) is Code.STORE_SUPERSEDED
        device.generation = 7
        assert (await opened.bind(device)).generation == 8

    async def test_a_device_moves_to_another_session_only_with_its_own_proof(
        self, opened: OpenedDevices, ada: KeyUser
    ) -> None:
        device = ada.device()
        await opened.bind(device)
        assert await refusal(opened.bind(device, "s-2")) is Code.DEVICE_UNBOUND
        assert (await opened.bind(device, "s-2", is_proven=True)).current
        upload = OneTimeKeysUpload(device=device.id, one_time=device.one_time(1))
        assert await refusal(opened.store.add_one_time_keys(LOGIN, upload)) is Code.DEVICE_UNBOUND
        assert await opened.store.add_one_time_keys(LoginOfUser(ADA, "s-2"), upload) == list(upload.one_time)

    async def test_other_keys_under_the_same_device_id_are_refused(self, opened: OpenedDevices, ada: KeyUser) -> None:
        device = ada.device()
        await opened.bind(device)
        other = KeyDevice(ADA, id=device.id, generation=5)
        assert await refusal(opened.bind(other)) is Code.STORE_SUPERSEDED

    async def test_the_same_device_id_of_another_user_is_another_device(
        self, opened: OpenedDevices, ada: KeyUser
    ) -> None:
        device = ada.device()
        await opened.bind(device)
        await opened.bind(KeyDevice(BOB, id=device.id))
        assert await opened.states(BOB) == {device.id: DeviceState.PENDING}

    async def test_devices_are_limited_and_pending_ones_without_a_session_make_room_oldest_first(
        self, opened: OpenedDevices, ada: KeyUser
    ) -> None:
        listed, oldest, newer, last, too_many = (ada.device() for _ in range(5))
        await opened.list_devices(ada, listed)
        await opened.bind(oldest, "s-2")
        await opened.bind(newer, "s-3")
        assert await refusal(opened.bind(last)) is Code.TOO_MANY_DEVICES
        await opened.store.end_sessions(["s-2", "s-3"])
        await opened.bind(last)
        assert list(await opened.states(ADA)) == [listed.id, newer.id, last.id]
        await opened.bind(too_many)
        assert list(await opened.states(ADA)) == [listed.id, last.id, too_many.id]

    async def test_a_dehydrated_device_belongs_to_no_session_and_all_of_its_owner_may_use_it(
        self, opened: OpenedDevices, ada: KeyUser
    ) -> None:
        dehydrated = ada.device(is_dehydrated=True)
        own = await opened.bind(dehydrated)
        assert own.dehydrated
        assert not own.current
        upload = OneTimeKeysUpload(device=dehydrated.id, fallback=dehydrated.fallback())
        for sid in ("s-2", "s-3"):
            await opened.store.add_one_time_keys(LoginOfUser(ADA, sid), upload)
        assert await refusal(opened.store.usable_device(LoginOfUser(BOB, "s-1"), dehydrated.id)) is Code.DEVICE_UNKNOWN

    async def test_a_device_that_its_owner_ended_comes_back_with_a_new_login_only(
        self, opened: OpenedDevices, ada: KeyUser
    ) -> None:
        device = ada.device()
        await opened.list_devices(ada, device)
        before = await opened.bind(device)
        await opened.store.end_device(ADA, device.id)
        assert await opened.states(ADA) == {device.id: DeviceState.ENDED}
        assert await refusal(opened.bind(device, is_proven=True)) is Code.DEVICE_UNBOUND
        back = await opened.bind(device, "s-2", is_proven=True)
        assert back.state is DeviceState.LISTED
        assert before.inbox.epoch != back.inbox.epoch, "it would not learn that it missed keys meanwhile"
        assert (await opened.bind(device, "s-2")).inbox.epoch == back.inbox.epoch

    async def test_a_pending_device_that_its_owner_ended_is_removed_for_ever(
        self, opened: OpenedDevices, ada: KeyUser
    ) -> None:
        device = ada.device()
        await opened.bind(device)
        await opened.store.end_device(ADA, device.id)
        assert await opened.states(ADA) == {}
        assert await refusal(opened.bind(device, "s-2", is_proven=True)) is Code.DEVICE_REMOVED
        assert await refusal(opened.store.end_device(ADA, device.id)) is Code.DEVICE_UNKNOWN
        assert await refusal(opened.store.end_device(BOB, device.id)) is Code.DEVICE_UNKNOWN


class TestEndedSessions:
    async def test_devices_of_an_ended_session_end_and_those_of_others_do_not(
        self, opened: OpenedDevices, ada: KeyUser
    ) -> None:
        first, second = ada.device(), ada.device()
        await opened.bind(first, "s-1")
        await opened.bind(second, "s-2")
        await opened.store.store_list(ADA, ada.list([first, second]))
        assert await opened.store.end_sessions(["s-2", "s-9", ""]) == 1
        assert await opened.states(ADA) == {first.id: DeviceState.LISTED, second.id: DeviceState.ENDED}
        assert await refusal(opened.store.usable_device(LoginOfUser(ADA, "s-2"), second.id)) is Code.DEVICE_UNBOUND
        assert await opened.store.end_sessions(["s-2"]) == 0

    async def test_a_pending_device_whose_session_ended_is_listed_as_ended(
        self, opened: OpenedDevices, ada: KeyUser
    ) -> None:
        device = ada.device()
        await opened.bind(device)
        await opened.store.end_sessions(["s-1"])
        await opened.store.store_list(ADA, ada.list([device]))
        assert await opened.states(ADA) == {device.id: DeviceState.ENDED}

    async def test_devices_that_were_not_seen_for_long_fall_asleep(self, opened: OpenedDevices, ada: KeyUser) -> None:
        early, dehydrated, late = ada.device(), ada.device(is_dehydrated=True), ada.device()
        await opened.bind(early)
        await opened.bind(dehydrated)
        opened.clock.now += DAY_MS
        await opened.bind(late)
        await opened.store.store_list(ADA, ada.list([early, dehydrated, late]))
        assert await opened.store.let_sleep(opened.clock.now) == 1
        assert await opened.store.let_sleep(opened.clock.now) == 0
        states = await opened.states(ADA)
        assert states[early.id] is DeviceState.ASLEEP
        assert states[dehydrated.id] is states[late.id] is DeviceState.LISTED

    async def test_removed_devices_are_forgotten_after_a_while(self, opened: OpenedDevices, ada: KeyUser) -> None:
        device = ada.device()
        await opened.bind(device)
        await opened.store.end_device(ADA, device.id)
        assert await opened.store.forget_removed(opened.clock.now) == 0
        assert await opened.store.forget_removed(opened.clock.now + 1) == 1
        assert (await opened.bind(device, is_proven=True)).state is DeviceState.PENDING


class TestDeviceLists:
    async def test_listing_a_device_makes_it_readable_for_others_with_all_keys(
        self, opened: OpenedDevices, ada: KeyUser
    ) -> None:
        device, unlisted = ada.device(), ada.device()
        await opened.bind(unlisted)
        await opened.list_devices(ada, device)
        assert await opened.states(ADA) == {unlisted.id: DeviceState.PENDING, device.id: DeviceState.LISTED}
        [keys] = await opened.store.users_keys(["ada", "bob", "carol"])
        uploaded = ada.list([device])
        assert (keys.username, keys.user_id) == ("ada", ADA.user_id)
        assert (keys.master, keys.self_signing, keys.list) == (uploaded.master, uploaded.self_signing, uploaded.list)
        assert keys.device_keys == uploaded.device_keys
        [told] = [signal for signal in opened.signals if isinstance(signal, DeviceListChanged)]
        assert (told.user_id, told.username, told.version, told.room_ids) == (ADA.user_id, "ada", 1, [])

    async def test_of_two_devices_that_change_the_list_at_the_same_time_one_is_too_late(
        self, opened: OpenedDevices, ada: KeyUser
    ) -> None:
        device, other = ada.device(), ada.device()
        await opened.list_devices(ada, device)
        await opened.bind(other)
        await opened.store.store_list(ADA, ada.list([device, other], 2))
        assert await refusal(opened.store.store_list(ADA, ada.list([device], 2))) is Code.LIST_STALE
        own = await opened.store.own_devices(LOGIN)
        assert (own.list_generation, own.list_version) == (1, 2)

    async def test_the_same_list_again_is_answered_as_stored(self, opened: OpenedDevices, ada: KeyUser) -> None:
        device = ada.device()
        await opened.bind(device)
        uploaded = ada.list([device])
        for _ in range(2):
            await opened.store.store_list(ADA, uploaded)
        assert len([signal for signal in opened.signals if isinstance(signal, DeviceListChanged)]) == 1

    async def test_a_removed_device_never_comes_back(self, opened: OpenedDevices, ada: KeyUser) -> None:
        device, stolen = ada.device(), ada.device()
        await opened.list_devices(ada, device, stolen)
        await opened.store.store_list(ADA, ada.list([device], 2, removed=[stolen.id]))
        assert await opened.states(ADA) == {device.id: DeviceState.LISTED}
        assert await refusal(opened.bind(stolen, is_proven=True)) is Code.DEVICE_REMOVED
        assert await refusal(opened.store.usable_device(LOGIN, stolen.id)) is Code.DEVICE_REMOVED
        again = ada.list([device, stolen], 3)
        assert await refusal(opened.store.store_list(ADA, again)) is Code.LIST_INVALID
        await opened.store.forget_removed(opened.clock.now + 1)
        assert await refusal(opened.bind(stolen, is_proven=True)) is Code.DEVICE_REMOVED

    async def test_a_dehydrated_device_that_is_replaced_is_removed(self, opened: OpenedDevices, ada: KeyUser) -> None:
        device, first, second = ada.device(), ada.device(is_dehydrated=True), ada.device(is_dehydrated=True)
        await opened.list_devices(ada, device, first)
        await opened.bind(second)
        assert (await opened.states(ADA))[second.id] is DeviceState.PENDING
        await opened.store.store_list(ADA, ada.list([device, second], 2))
        assert await opened.states(ADA) == {device.id: DeviceState.LISTED, second.id: DeviceState.LISTED}

    async def test_a_reset_leaves_the_devices_of_before_pending(self, opened: OpenedDevices, ada: KeyUser) -> None:
        before, after, ended = ada.device(), ada.device(), ada.device()
        await opened.list_devices(ada, before, ended)
        await opened.store.end_device(ADA, ended.id)
        await opened.bind(after)
        other = KeyUser(ADA)
        without = other.list([after], 2, generation=2)
        assert await refusal(opened.store.store_list(ADA, without)) is Code.LIST_INVALID
        await opened.store.store_list(ADA, other.list([after], 2, generation=2, reset=True))
        assert await opened.states(ADA) == {
            before.id: DeviceState.PENDING,
            ended.id: DeviceState.PENDING,
            after.id: DeviceState.LISTED,
        }
        [keys] = await opened.store.users_keys(["ada"])
        assert keys.master == other.master


class TestOneTimeKeys:
    async def test_they_are_given_out_once_in_the_order_of_adding_then_the_fallback_key(
        self, opened: OpenedDevices, ada: KeyUser, bob: KeyUser
    ) -> None:
        device = ada.device()
        keys, fallback = device.one_time(2), device.fallback()
        await opened.store.bind_device(LOGIN, device.upload(one_time=keys, fallback=fallback), is_proven=False)
        await opened.store.store_list(ADA, ada.list([device]))
        askers = [bob.device() for _ in range(3)]
        for asker in askers:
            await opened.bind(asker)
        given = [(await claim(opened.store, asker, device)).keys[0] for asker in askers]
        assert [(each.username, each.device) for each in given] == 3 * [("ada", device.id)]
        assert {each.key_id: each.key for each in given[:2]} == keys
        assert [each.key_id for each in given] == [*keys, *fallback]
        [own] = (await opened.store.own_devices(LOGIN)).devices
        assert (own.one_time, own.fallback_used) == ([], True)

    async def test_the_same_device_gets_the_same_key_again_for_an_hour(
        self, opened: OpenedDevices, ada: KeyUser, bob: KeyUser
    ) -> None:
        device, asker = ada.device(), bob.device()
        keys = device.one_time(2)
        await opened.store.bind_device(LOGIN, device.upload(one_time=keys), is_proven=False)
        await opened.store.store_list(ADA, ada.list([device]))
        await opened.bind(asker)
        first = await claim(opened.store, asker, device)
        opened.clock.now += HOUR_MS - 1
        assert await claim(opened.store, asker, device, device) == ClaimedKeys([*first.keys, *first.keys], [])
        opened.clock.now += 1
        [second] = (await claim(opened.store, asker, device)).keys
        assert [first.keys[0].key_id, second.key_id] == list(keys)

    async def test_devices_that_are_not_listed_or_have_no_key_are_missing(
        self, opened: OpenedDevices, ada: KeyUser, bob: KeyUser
    ) -> None:
        keyless, pending, asker = ada.device(), ada.device(), bob.device()
        await opened.list_devices(ada, keyless)
        upload = pending.upload(one_time=pending.one_time(1))
        await opened.store.bind_device(LOGIN, upload, is_proven=False)
        await opened.bind(asker)
        claimed = await claim(opened.store, asker, keyless, pending, KeyDevice(UserInfo(9, "carol")))
        assert claimed.keys == []
        assert [address.username for address in claimed.missing] == ["ada", "ada", "carol"]

    async def test_only_the_session_of_the_asking_device_may_claim(
        self, opened: OpenedDevices, ada: KeyUser, bob: KeyUser
    ) -> None:
        device, asker = ada.device(), bob.device()
        await opened.list_devices(ada, device)
        await opened.bind(asker)
        assert await refusal(claim(opened.store, asker, device, sid="s-2")) is Code.DEVICE_UNBOUND
        assert await refusal(claim(opened.store, bob.device(), device)) is Code.DEVICE_UNKNOWN
        dehydrated = bob.device(is_dehydrated=True)
        await opened.bind(dehydrated)
        assert await refusal(claim(opened.store, dehydrated, device)) is Code.DEVICE_UNBOUND

    async def test_the_same_key_again_is_no_error_and_another_under_its_id_is(
        self, opened: OpenedDevices, ada: KeyUser
    ) -> None:
        device = ada.device()
        await opened.bind(device)
        keys = device.one_time(2)
        for _ in range(2):
            upload = OneTimeKeysUpload(device=device.id, one_time=keys)
            assert await opened.store.add_one_time_keys(LOGIN, upload) == list(keys)
        [name, _] = keys
        [other] = device.one_time(1).values()
        another = OneTimeKeysUpload(device=device.id, one_time={name: other})
        assert await refusal(opened.store.add_one_time_keys(LOGIN, another)) is Code.ONE_TIME_KEY_TAKEN

    async def test_a_key_that_was_given_out_is_not_added_again_by_a_repeated_upload(
        self, opened: OpenedDevices, ada: KeyUser, bob: KeyUser
    ) -> None:
        device, asker, second = ada.device(), bob.device(), bob.device()
        await opened.list_devices(ada, device)
        upload = OneTimeKeysUpload(device=device.id, one_time=device.one_time(1))
        await opened.store.add_one_time_keys(LOGIN, upload)
        await opened.bind(asker)
        await opened.bind(second)
        assert len((await claim(opened.store, asker, device)).keys) == 1
        assert await opened.store.add_one_time_keys(LOGIN, upload) == []
        assert (await claim(opened.store, second, device)).keys == []

    async def test_all_keys_that_one_device_was_given_are_remembered(
        self, opened: OpenedDevices, ada: KeyUser, bob: KeyUser
    ) -> None:
        device, asker = ada.device(), bob.device()
        await opened.list_devices(ada, device)
        upload = OneTimeKeysUpload(device=device.id, one_time=device.one_time(2))
        await opened.store.add_one_time_keys(LOGIN, upload)
        await opened.bind(asker)
        for _ in range(2):
            assert len((await claim(opened.store, asker, device)).keys) == 1
            opened.clock.now += HOUR_MS
        assert await opened.store.add_one_time_keys(LOGIN, upload) == []

    async def test_a_fallback_key_that_was_given_out_may_have_the_id_of_a_one_time_key(
        self, opened: OpenedDevices, ada: KeyUser, bob: KeyUser
    ) -> None:
        device, asker = ada.device(), bob.device()
        [(name, fallback)] = device.fallback().items()
        await opened.store.bind_device(LOGIN, device.upload(fallback={name: fallback}), is_proven=False)
        await opened.store.store_list(ADA, ada.list([device]))
        await opened.bind(asker)
        assert (await claim(opened.store, asker, device)).keys[0].key == fallback
        [key] = device.one_time(1).values()
        assert await opened.store.add_one_time_keys(
            LOGIN, OneTimeKeysUpload(device=device.id, one_time={name: key})
        ) == [name]

    async def test_a_device_has_at_most_so_many_one_time_keys(self, opened: OpenedDevices, ada: KeyUser) -> None:
        device = ada.device()
        await opened.bind(device)
        keys = device.one_time(4)
        await opened.store.add_one_time_keys(LOGIN, OneTimeKeysUpload(device=device.id, one_time=keys))
        more = OneTimeKeysUpload(device=device.id, one_time=device.one_time(1))
        assert await refusal(opened.store.add_one_time_keys(LOGIN, more)) is Code.BAD_REQUEST

    async def test_another_fallback_key_replaces_the_one_that_was_used(
        self, opened: OpenedDevices, ada: KeyUser, bob: KeyUser
    ) -> None:
        device, asker = ada.device(), bob.device()
        fallback = device.fallback()
        await opened.store.bind_device(LOGIN, device.upload(fallback=fallback), is_proven=False)
        await opened.store.store_list(ADA, ada.list([device]))
        await opened.bind(asker)
        [given] = (await claim(opened.store, asker, device)).keys
        assert given.key.fallback
        same = OneTimeKeysUpload(device=device.id, fallback=fallback)
        await opened.store.add_one_time_keys(LOGIN, same)
        assert (await opened.store.own_devices(LOGIN)).devices[0].fallback_used
        await opened.store.add_one_time_keys(LOGIN, OneTimeKeysUpload(device=device.id, fallback=device.fallback()))
        assert not (await opened.store.own_devices(LOGIN)).devices[0].fallback_used

    async def test_a_store_that_lost_its_keys_replaces_those_that_the_server_has(
        self, opened: OpenedDevices, ada: KeyUser, bob: KeyUser
    ) -> None:
        device, asker = ada.device(), bob.device()
        lost = device.one_time(2)
        upload = device.upload(one_time=lost, fallback=device.fallback())
        await opened.store.bind_device(LOGIN, upload, is_proven=False)
        await opened.store.store_list(ADA, ada.list([device]))
        [name, _] = lost
        [new] = device.one_time(1).values()
        upload = msgspec.structs.replace(device.upload(one_time={name: new}), replace_one_time=True)
        own = await opened.store.bind_device(LOGIN, upload, is_proven=False)
        assert own.one_time == [name]
        await opened.bind(asker)
        assert [each.key for each in (await claim(opened.store, asker, device)).keys] == [new]

    async def test_keys_of_a_removed_device_are_gone(self, opened: OpenedDevices, ada: KeyUser, bob: KeyUser) -> None:
        device, kept, asker = ada.device(), ada.device(), bob.device()
        upload = device.upload(one_time=device.one_time(1), fallback=device.fallback())
        await opened.store.bind_device(LOGIN, upload, is_proven=False)
        await opened.bind(kept)
        await opened.store.store_list(ADA, ada.list([device, kept]))
        await opened.bind(asker)
        await opened.store.store_list(ADA, ada.list([kept], 2, removed=[device.id]))
        assert (await claim(opened.store, asker, device)).keys == []


class TestKeyBackups:
    async def test_the_header_is_replaced_by_the_next_version_only(self, store: KeysStore) -> None:
        assert await store.backup(ADA.user_id) == KeyBackupHeader(version=0, header="")
        first, second = (KeyBackupHeader(version=version, header=f"header {version}") for version in (1, 2))
        assert await refusal(store.set_backup(ADA.user_id, second)) is Code.BACKUP_STALE
        for header in (first, first, second, second):
            assert await store.set_backup(ADA.user_id, header) == header
        assert await refusal(store.set_backup(ADA.user_id, first)) is Code.BACKUP_STALE
        other = KeyBackupHeader(version=2, header="of another device")
        assert await refusal(store.set_backup(ADA.user_id, other)) is Code.BACKUP_STALE
        assert (await store.backup(BOB.user_id)).version == 0

    async def test_items_are_read_in_the_order_of_storing_and_a_replaced_one_moves_to_the_end(
        self, store: KeysStore
    ) -> None:
        await store.set_backup(ADA.user_id, KeyBackupHeader(version=1, header="h"))
        one, two, newer = (BackupItem(item=name, body=body) for name, body in (("1", "a"), ("2", "b"), ("1", "c")))
        assert await store.add_backup_items(ADA.user_id, BackupItemsUpload([one, two], 1)) == 2
        assert await store.add_backup_items(ADA.user_id, BackupItemsUpload([newer], 1)) == 3
        page = await store.backup_items(ADA.user_id, 0, 10)
        assert [(item.item, item.body, item.seq) for item in page.items] == [("2", "b", 2), ("1", "c", 3)]
        assert page.last == 3
        assert [item.item for item in (await store.backup_items(ADA.user_id, 2, 10)).items] == ["1"]
        assert [item.item for item in (await store.backup_items(ADA.user_id, 0, 1)).items] == ["2"]
        assert (await store.backup(ADA.user_id)).items == 2
        assert (await store.backup_items(BOB.user_id, 0, 10)).items == []

    async def test_items_of_another_version_of_the_header_are_refused(self, store: KeysStore) -> None:
        upload = BackupItemsUpload([BackupItem(item="1", body="a")], 0)
        assert await refusal(store.add_backup_items(ADA.user_id, upload)) is Code.BACKUP_STALE
        await store.set_backup(ADA.user_id, KeyBackupHeader(version=1, header="h"))
        assert await refusal(store.add_backup_items(ADA.user_id, upload)) is Code.BACKUP_STALE

    async def test_a_full_backup_takes_only_what_replaces_an_item(self, store: KeysStore) -> None:
        await store.set_backup(ADA.user_id, KeyBackupHeader(version=1, header="h"))
        three = [BackupItem(item=name, body="a") for name in "123"]
        await store.add_backup_items(ADA.user_id, BackupItemsUpload(three, 1))
        more = BackupItemsUpload([BackupItem(item="3", body="b"), BackupItem(item="4", body="b")], 1)
        assert await refusal(store.add_backup_items(ADA.user_id, more)) is Code.BACKUP_FULL
        assert await store.add_backup_items(ADA.user_id, BackupItemsUpload(three[:1], 1)) == 4
        assert (await store.backup(ADA.user_id)).items == 3


async def test_everything_is_there_after_the_store_was_opened_again(opener: DeviceStoreOpener, ada: KeyUser) -> None:
    device = ada.device()
    async with opener() as opened:
        await opened.list_devices(ada, device)
        await opened.store.set_backup(ADA.user_id, KeyBackupHeader(version=1, header="h"))
        before = await opened.store.own_devices(LOGIN)
    async with opener() as opened:
        assert await opened.store.own_devices(LOGIN) == before
        assert (await opened.store.backup(ADA.user_id)).version == 1
        assert (await opened.bind(device)).state is DeviceState.LISTED
