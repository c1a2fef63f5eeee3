"""Keys of devices over HTTP: uploads, device lists, one-time keys, sessions that end, what gateways are told."""

import asyncio
import sqlite3
from types import NoneType

import msgspec
import pytest

from chatterbox.wire.broker_events import (
    CONTROL,
    SIGNALS,
    DeviceAppeared,
    DeviceListChanged,
    RecipientsChanged,
    SessionRevoked,
    decode_signal,
    encode_control,
)
from chatterbox.wire.encryption.key_api import (
    DeviceEnd,
    DeviceListStored,
    DeviceState,
    OneTimeKeysStored,
    OneTimeKeysUpload,
    OwnDevice,
    UsersKeys,
)
from chatterbox.wire.encryption.policy import EncryptionPolicy
from chatterbox.wire.encryption.signatures import verify_user
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.frames.encryption import MAX_CLAIMS, DeviceAddress, OutgoingToDevice, ToDeviceKind
from chatterbox.wire.history_api import ClaimCall, ClaimedKeys, OpenDirectCall, RoomInfo, ToDeviceCall
from services.history.encryption.devices import device_upkeep
from tests.support.history import FakeAuth, Service, Start, code, until
from tests.support.key_client import ask, bind, key_user, list_devices, own_devices, read
from tests.support.key_user import KeyUser

DAY_MS = 24 * 3600 * 1000
END = "/keys/devices/end"
ROUTES = (
    "PUT /keys/device",
    "POST /keys/one-time",
    "GET /keys/users?name=alice",
    "GET /keys/withheld?room=general&session=x",
    "PUT /keys/list",
    "GET /keys/devices",
    "POST /keys/devices/end",
    "GET /keys/backup",
    "PUT /keys/backup",
    "GET /keys/backup/items",
    "POST /keys/backup/items",
)


@pytest.fixture
def alice(history: Service) -> KeyUser:
    return key_user(history, "alice")


@pytest.fixture
def bob(history: Service) -> KeyUser:
    return key_user(history, "bob")


async def encrypted_room(history: Service, *, user: str = "alice", other: str = "bob") -> RoomInfo:
    call = OpenDirectCall(history.auth.names[user], user, other, encrypted=True)
    return await history.ask("direct", call, RoomInfo)


def recipients(history: Service, room: RoomInfo) -> tuple[int, int]:
    """The version of a room's recipients, and since when sessions may be used."""
    with sqlite3.connect(history.settings.database) as db:
        [row] = db.execute("SELECT recipients, closed_at FROM rooms WHERE id = ?", (room.room_id,))
    return row  # type: ignore[no-any-return]


def stored_states(history: Service) -> list[str]:
    """The states of all devices."""
    with sqlite3.connect(history.settings.database) as db:
        return [state for (state,) in db.execute("SELECT state FROM devices ORDER BY id")]


class TestUploads:
    async def test_a_device_is_uploaded_listed_and_then_seen_by_others(self, history: Service, alice: KeyUser) -> None:
        device, dehydrated = alice.device(), alice.device(is_dehydrated=True)
        upload = device.upload(one_time=device.one_time(50), fallback=device.fallback())
        own = read(await ask(history, "PUT", "/keys/device", body=upload), OwnDevice)
        assert (own.state, len(own.one_time)) == (DeviceState.PENDING, 50)
        await bind(history, dehydrated)
        answer = await ask(history, "PUT", "/keys/list", body=alice.list([device, dehydrated]))
        assert read(answer, DeviceListStored) == DeviceListStored(1, 1)
        seen = read(await ask(history, "GET", "/keys/users?name=alice&name=bob&name=nadia", "bob"), UsersKeys)
        [keys] = seen.users
        verify_user(keys, keys.list.user_id)
        assert set(keys.device_keys) == {device.id, dehydrated.id}
        assert [each.state for each in (await own_devices(history)).devices] == 2 * [DeviceState.LISTED]
        assert (await own_devices(history, "bob")).user_id == history.auth.names["bob"]

    async def test_keys_of_another_user_or_with_a_wrong_signature_are_refused(
        self, history: Service, alice: KeyUser, bob: KeyUser
    ) -> None:
        device = alice.device()
        assert code(await ask(history, "PUT", "/keys/device", "bob", device.upload())) == (422, Code.BAD_REQUEST)
        upload = device.upload(one_time=device.one_time(1))
        other = bob.device()
        wrong = [
            msgspec.structs.replace(upload, keys=msgspec.structs.replace(upload.keys, signatures={})),
            msgspec.structs.replace(upload, keys=msgspec.structs.replace(upload.keys, keys=other.keys.keys)),
            msgspec.structs.replace(upload, one_time=other.one_time(1)),
            msgspec.structs.replace(upload, fallback=upload.one_time),
            msgspec.structs.replace(upload, one_time=device.fallback()),
            msgspec.structs.replace(upload, device="too-short"),
            msgspec.structs.replace(upload, keys=msgspec.structs.replace(upload.keys, algorithms=("x" * 5000,))),
        ]
        for each in wrong:
            assert code(await ask(history, "PUT", "/keys/device", body=each)) == (422, Code.BAD_REQUEST)
        assert (await own_devices(history)).devices == []

    async def test_a_list_whose_signatures_are_not_all_right_is_refused(
        self, history: Service, alice: KeyUser, bob: KeyUser
    ) -> None:
        device = alice.device()
        await bind(history, device)
        right = alice.list([device])
        stranger = KeyUser(alice.user)
        wrong = [
            bob.list([bob.device()]),
            msgspec.structs.replace(right, list=msgspec.structs.replace(right.list, version=2)),
            msgspec.structs.replace(right, list=msgspec.structs.replace(right.list, username="bob")),
            msgspec.structs.replace(right, device_keys={}),
            msgspec.structs.replace(right, device_keys={device.id: device.keys}),
            msgspec.structs.replace(right, self_signing=stranger.self_signing),
            msgspec.structs.replace(right, master=stranger.master),
            alice.list([alice.device()]),
            alice.list([device, device], removed=[device.id]),
            alice.list([device], generation=0),
        ]
        for each in wrong:
            assert code(await ask(history, "PUT", "/keys/list", body=each)) == (422, Code.LIST_INVALID)
        (await ask(history, "PUT", "/keys/list", body=right)).raise_for_status()

    async def test_another_login_session_takes_a_device_over_with_its_proof(
        self, history: Service, alice: KeyUser
    ) -> None:
        device = alice.device()
        await bind(history, device)
        refused = await ask(history, "PUT", "/keys/device", body=device.upload("s-3"), sid="s-2")
        assert code(refused) == (403, Code.DEVICE_UNBOUND)
        assert (await bind(history, device, sid="s-2", proof=True)).current
        assert [each.current for each in (await own_devices(history, sid="s-1")).devices] == [False]

    async def test_one_time_keys_are_added_by_the_session_of_the_device(self, history: Service, alice: KeyUser) -> None:
        device = alice.device()
        await bind(history, device)
        upload = OneTimeKeysUpload(device=device.id, one_time=device.one_time(3), fallback=device.fallback())
        answer = await ask(history, "POST", "/keys/one-time", body=upload)
        assert read(answer, OneTimeKeysStored).one_time == list(upload.one_time)
        assert code(await ask(history, "POST", "/keys/one-time", body=upload, sid="s-2")) == (403, Code.DEVICE_UNBOUND)
        assert code(await ask(history, "POST", "/keys/one-time", "bob", upload)) == (404, Code.DEVICE_UNKNOWN)
        forged = msgspec.structs.replace(upload, one_time=alice.device().one_time(1))
        assert code(await ask(history, "POST", "/keys/one-time", body=forged)) == (422, Code.BAD_REQUEST)

    async def test_a_device_is_ended_by_its_owner_only(self, history: Service, alice: KeyUser) -> None:
        device = alice.device()
        await list_devices(history, alice, device)
        body = DeviceEnd(device.id)
        [own] = (await own_devices(history)).devices
        assert own.session == "s-1"
        assert code(await ask(history, "POST", END, "bob", body)) == (404, Code.DEVICE_UNKNOWN)
        assert (await ask(history, "POST", END, body=body)).status_code == 204
        assert [each.state for each in (await own_devices(history)).devices] == [DeviceState.ENDED]

    async def test_at_most_fifty_users_are_named_in_a_request(self, history: Service) -> None:
        names = "&".join(f"name=u{number}" for number in range(51))
        assert code(await ask(history, "GET", f"/keys/users?{names}")) == (422, Code.BAD_REQUEST)
        assert code(await ask(history, "GET", "/keys/users")) == (422, Code.BAD_REQUEST)

    @pytest.mark.parametrize("route", ROUTES)
    async def test_a_server_without_encryption_takes_no_keys(self, start: Start, route: str) -> None:
        async with start(encryption=EncryptionPolicy.OFF) as history:
            await history.greet("alice")
            alice = key_user(history, "alice")
            device = alice.device()
            bodies: dict[str, object] = {
                "PUT /keys/device": device.upload(),
                "POST /keys/devices/end": DeviceEnd(device.id),
                "POST /keys/one-time": OneTimeKeysUpload(device=device.id),
                "PUT /keys/list": alice.list([device]),
                "PUT /keys/backup": {"version": 1, "header": "h"},
                "POST /keys/backup/items": {"version": 1, "items": []},
            }
            method, path = route.split(" ")
            answer = await ask(history, method, path, body=bodies.get(route))
            assert code(answer) == (409, Code.ENCRYPTION_OFF)

    @pytest.mark.parametrize("route", ROUTES)
    async def test_a_token_is_required(self, history: Service, route: str) -> None:
        method, path = route.split(" ")
        answer = await history.public.request(method, path)
        assert code(answer) == (401, Code.TOKEN_MISSING)


class TestRates:
    async def test_a_user_changes_the_device_list_twenty_times_an_hour(self, history: Service, alice: KeyUser) -> None:
        device = alice.device()
        await bind(history, device)
        uploaded = alice.list([device])
        answers = [await ask(history, "PUT", "/keys/list", body=uploaded) for _ in range(21)]
        assert [answer.status_code for answer in answers] == [*(20 * [200]), 429]
        end = DeviceEnd(device.id)
        assert code(await ask(history, "POST", END, body=end)) == (429, Code.RATE_LIMITED)
        assert code(await ask(history, "POST", END, "bob", end)) == (404, Code.DEVICE_UNKNOWN)

    async def test_uploads_of_keys_share_one_rate(self, history: Service) -> None:
        body = {"version": 7, "items": []}
        for _ in range(200):
            assert code(await ask(history, "POST", "/keys/backup/items", body=body)) == (409, Code.BACKUP_STALE)
        for _ in range(20):  # some come back while the test runs
            refused = await ask(history, "PUT", "/keys/backup", body={"version": 7, "header": ""})
            if refused.status_code == 429:
                break
        assert code(refused) == (429, Code.RATE_LIMITED)


class TestClaims:
    async def test_a_gateway_claims_keys_for_a_device_of_the_session(
        self, history: Service, alice: KeyUser, bob: KeyUser
    ) -> None:
        mine, theirs = alice.device(), bob.device()
        await bind(history, mine)
        keys = theirs.one_time(1)
        upload = theirs.upload(one_time=keys, fallback=theirs.fallback())
        (await ask(history, "PUT", "/keys/device", "bob", upload)).raise_for_status()
        (await ask(history, "PUT", "/keys/list", "bob", bob.list([theirs]))).raise_for_status()
        call = ClaimCall(user_id=alice.user.user_id, sid="s-1", device=mine.id, of=(DeviceAddress("bob", theirs.id),))
        claimed = await history.ask("claim", call, ClaimedKeys)
        assert {key.key_id: key.key for key in claimed.keys} == keys
        metrics = (await history.public.get("/metrics")).text
        assert "chatterbox_history_keys_claimed_total 1.0" in metrics
        assert "chatterbox_history_fallback_keys_claimed_total 0.0" in metrics
        with pytest.raises(ChatError) as refused:
            await history.ask("claim", msgspec.structs.replace(call, sid="s-2"), ClaimedKeys)
        assert refused.value.code is Code.DEVICE_UNBOUND
        with pytest.raises(ChatError) as too_many:
            await history.ask("claim", msgspec.structs.replace(call, of=(MAX_CLAIMS + 1) * call.of), ClaimedKeys)
        assert too_many.value.code is Code.BAD_REQUEST

    async def test_devices_that_claim_at_the_same_time_get_different_keys(
        self, history: Service, alice: KeyUser, bob: KeyUser
    ) -> None:
        askers = [alice.device() for _ in range(10)]
        for asker in askers:
            await bind(history, asker)
        theirs = bob.device()
        upload = theirs.upload(one_time=theirs.one_time(10))
        (await ask(history, "PUT", "/keys/device", "bob", upload)).raise_for_status()
        (await ask(history, "PUT", "/keys/list", "bob", bob.list([theirs]))).raise_for_status()
        address = DeviceAddress("bob", theirs.id)
        calls = [ClaimCall(user_id=alice.user.user_id, sid="s-1", device=each.id, of=(address,)) for each in askers]
        answers = await asyncio.gather(*(history.ask("claim", call, ClaimedKeys) for call in calls))
        assert len({answer.keys[0].key_id for answer in answers}) == 10

    async def test_a_key_that_began_a_session_is_given_neither_again_nor_to_others(
        self, history: Service, alice: KeyUser, bob: KeyUser
    ) -> None:
        await encrypted_room(history)
        mine, theirs, other = alice.device(), bob.device(), alice.device()
        await list_devices(history, alice, mine, other)
        keys = theirs.one_time(2)
        (await ask(history, "PUT", "/keys/device", "bob", theirs.upload(one_time=keys))).raise_for_status()
        (await ask(history, "PUT", "/keys/list", "bob", bob.list([theirs]))).raise_for_status()
        address = DeviceAddress("bob", theirs.id)
        call = ClaimCall(user_id=alice.user.user_id, sid="s-1", device=mine.id, of=(address,))
        [first] = (await history.ask("claim", call, ClaimedKeys)).keys
        begun = OutgoingToDevice(to=address, n=1, kind=ToDeviceKind.OLM_FIRST, body="Zm9v")
        sent = ToDeviceCall(user_id=alice.user.user_id, username="alice", sid="s-1", device=mine.id, messages=(begun,))
        await history.ask("to_device", sent, NoneType)
        [second] = (await history.ask("claim", call, ClaimedKeys)).keys
        assert [first.key_id, second.key_id] == list(keys)
        repeated = OneTimeKeysUpload(device=theirs.id, one_time=keys)
        answer = await ask(history, "POST", "/keys/one-time", "bob", repeated)
        assert read(answer, OneTimeKeysStored).one_time == []
        others = msgspec.structs.replace(call, device=other.id)
        assert (await history.ask("claim", others, ClaimedKeys)).keys == []


class TestWhoCanRead:
    async def test_a_new_list_counts_in_encrypted_rooms_and_is_told(self, history: Service, alice: KeyUser) -> None:
        room = await encrypted_room(history)
        version, closed_at = recipients(history, room)
        heard = await history.listening(SIGNALS)
        first, second = alice.device(), alice.device()
        await list_devices(history, alice, first)
        assert recipients(history, room) == (version + 1, closed_at)
        await bind(history, second)
        assert recipients(history, room) == (version + 1, closed_at)
        (await ask(history, "PUT", "/keys/list", body=alice.list([first, second], 2))).raise_for_status()
        (await ask(history, "PUT", "/keys/list", body=alice.list([first], 3, removed=[second.id]))).raise_for_status()
        assert recipients(history, room) == (version + 3, version + 3)
        await until(lambda: len(heard) >= 7)
        signals = [decode_signal(payload) for _, payload in heard]
        lists = [signal for signal in signals if isinstance(signal, DeviceListChanged)]
        assert [(each.version, each.room_ids) for each in lists] == [(number, [room.room_id]) for number in (1, 2, 3)]
        told = [signal.versions for signal in signals if isinstance(signal, RecipientsChanged)]
        assert told == [[(room.room_id, version + number)] for number in (1, 2, 3)]
        assert [each.device for each in signals if isinstance(each, DeviceAppeared)] == [second.id]

    async def test_a_replaced_dehydrated_device_closes_no_session(self, history: Service, alice: KeyUser) -> None:
        room = await encrypted_room(history)
        device, before, after = alice.device(), alice.device(is_dehydrated=True), alice.device(is_dehydrated=True)
        await list_devices(history, alice, device, before)
        _, closed_at = recipients(history, room)
        await bind(history, after)
        (await ask(history, "PUT", "/keys/list", body=alice.list([device, after], 2))).raise_for_status()
        assert recipients(history, room)[1] == closed_at

    async def test_a_device_of_a_revoked_session_ends_and_comes_back_in_a_new_one(
        self, history: Service, alice: KeyUser
    ) -> None:
        room = await encrypted_room(history)
        device = alice.device()
        await list_devices(history, alice, device)
        version, _ = recipients(history, room)
        await history.broker.publish([(CONTROL, encode_control(SessionRevoked("s-1", 0)))])
        await until(lambda: recipients(history, room) == (version + 1, version + 1))
        [own] = (await own_devices(history, sid="s-2")).devices
        assert own.state is DeviceState.ENDED
        assert (await bind(history, device, sid="s-2", proof=True)).state is DeviceState.LISTED
        assert recipients(history, room) == (version + 2, version + 1)

    async def test_sessions_that_ended_while_history_was_away_end_their_devices_at_its_start(
        self, start: Start, auth: FakeAuth
    ) -> None:
        async with start() as history:
            await history.greet("alice", "bob")
            room = await encrypted_room(history)
            alice = key_user(history, "alice")
            await list_devices(history, alice, alice.device())
        auth.revoked.sids.append("s-1")
        async with start() as history:
            version, _ = recipients(history, room)
            await until(lambda: recipients(history, room)[1] >= version)
            assert [each.state for each in (await own_devices(history, sid="s-2")).devices] == [DeviceState.ENDED]

    async def test_a_device_that_is_bound_while_its_session_ends_does_not_stay(
        self, history: Service, alice: KeyUser, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        device = alice.device()
        await list_devices(history, alice, device)
        keys = history.app.context.history.keys
        monkeypatch.setattr(keys, "_is_ended", lambda sid: sid == "s-2")
        upload = device.upload("s-2")
        answer = await ask(history, "PUT", "/keys/device", body=upload, sid="s-2")
        assert code(answer) == (401, Code.SESSION_ENDED)
        assert [each.state for each in (await own_devices(history)).devices] == [DeviceState.ENDED]

    async def test_devices_that_were_away_for_long_fall_asleep(self, start: Start) -> None:
        async with start() as history:
            await history.greet("alice", "bob")
            room = await encrypted_room(history)
            alice = key_user(history, "alice")
            await list_devices(history, alice, alice.device())
            version, _ = recipients(history, room)
            history.clock.now += 90 * DAY_MS
            assert await history.app.context.history.keys._store.let_sleep(history.clock.now - 90 * DAY_MS) == 0
        history.clock.now += 1
        async with start() as history:
            await until(lambda: recipients(history, room) == (version + 1, version + 1))
            [own] = (await own_devices(history)).devices
            assert own.state is DeviceState.ASLEEP

    async def test_ended_sessions_are_tried_again_after_a_failure(
        self, history: Service, alice: KeyUser, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(device_upkeep, "RETRY_S", 0.001)
        failures = iter([ChatError(Code.UNAVAILABLE)])
        store = history.app.context.history.keys._store
        real = store.end_sessions

        async def failing(sids: list[str]) -> int:
            for failure in failures:
                raise failure
            return await real(sids)

        monkeypatch.setattr(store, "end_sessions", failing)
        await list_devices(history, alice, alice.device())
        await history.broker.publish([(CONTROL, encode_control(SessionRevoked("s-1", 0)))])
        await until(lambda: stored_states(history) == [DeviceState.ENDED])
        assert next(failures, None) is None
