"""Verifications between devices with real key stores: requests, restarts, several devices, changed keys."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from chatterbox.wire.encryption.device_keys import DeviceList, UserKeys, matrix_user
from chatterbox.wire.encryption.signatures import device_hash
from chatterbox.wire.frames.encryption import DeviceAddress
from client.encryption.core.cross_signatures import cross_signing_key, public_key, signed_by
from client.encryption.core.messages.olm_payload import ReceivedToDevice
from client.encryption.core.trust import Trust
from client.encryption.core.verification.verification_state import VerificationEnd, VerificationNews
from client.encryption.device.device_identity import DeviceIdentity, UserSecrets
from client.encryption.device.trusted_users import TrustedUsers
from client.encryption.device.verifications import MAX_OPEN, Verifications
from client.encryption.store.key_store import KEY_BYTES, KeyStore, StoreTransaction, Table
from client.failures import Failure

START_MS = 1_800_000_000_000


class Clock:
    now_ms = START_MS

    def __call__(self) -> int:
        return self.now_ms


class Device:
    """A device with a key store on disk."""

    def __init__(self, folder: Path, user_id: int, username: str, name: str, clock: Clock) -> None:
        self.path, self.key, self.clock = folder / f"{name}.sqlite3", os.urandom(KEY_BYTES), clock
        self.username = username
        self.outgoing: list[tuple[DeviceAddress, ReceivedToDevice]] = []
        self.open_store()
        with self.store.transaction() as transaction:
            self.identity = DeviceIdentity.create(transaction, user_id, username)

    def open_store(self) -> None:
        self.store = KeyStore(self.path, self.key)
        self.users = TrustedUsers(self.clock)
        self.verifications = Verifications(self.users, self.send, self.clock)

    def restart(self) -> None:
        self.store.close()
        self.open_store()

    def send(self, _: StoreTransaction, to: DeviceAddress, type_: str, content: dict[str, Any]) -> None:
        received = ReceivedToDevice(
            user_id=0, username=self.username, device=self.id, type=type_, content=content, encrypted=False
        )
        self.outgoing.append((to, received))

    @property
    def id(self) -> str:
        return self.identity.device_id

    def learn(self, *keys: UserKeys) -> None:
        with self.store.transaction() as transaction:
            for each in keys:
                self.users.accept(transaction, each)

    def verify(self, username: str) -> bool:
        with self.store.transaction() as transaction:
            return self.verifications.request(transaction, username)

    def verify_own(self, device: str = "", device_key: str = "") -> bool:
        with self.store.transaction() as transaction:
            return self.verifications.request_own(transaction, device, device_key)

    def compare(self, username: str, *, same: bool = True) -> None:
        with self.store.transaction() as transaction:
            self.verifications.compared(transaction, username, same=same)

    def trust(self, user_id: int) -> Trust:
        with self.store.transaction() as transaction:
            user = self.users.user(transaction, user_id)
            assert user is not None
            return user.trust

    def news(self) -> list[VerificationNews]:
        told, self.verifications.news = self.verifications.news, []
        return told

    @property
    def ends(self) -> list[VerificationEnd | None]:
        return [news.end for news in self.news() if news.end is not None]


def keys_of(devices: Sequence[Device], master: bytes, version: int = 1) -> UserKeys:
    """What a server shows of the user of these devices."""
    first, self_signing = devices[0].identity, b"s" * 32
    user = matrix_user(first.user_id)
    listed = {}
    for device in devices:
        with device.store.transaction() as transaction:
            device.identity.save_secrets(transaction, UserSecrets(self_signing=self_signing))
            listed[device.id] = device.identity.device_keys(transaction)
    signer = signed_by(cross_signing_key(first.user_id, "self_signing", self_signing), user, master)
    plain = DeviceList(
        user_id=user,
        username=first.username,
        generation=1,
        version=version,
        devices={device: device_hash(keys) for device, keys in listed.items()},
        removed=(),
        dehydrated="",
        signatures={},
    )
    return UserKeys(
        username=first.username,
        user_id=first.user_id,
        master=cross_signing_key(first.user_id, "master", master),
        self_signing=signer,
        list=signed_by(plain, user, self_signing),
        device_keys=listed,
    )


class Scene:
    """Ada's device, and two of bob's, which know each other's keys."""

    def __init__(self, folder: Path) -> None:
        self.clock = Clock()
        self.ada = Device(folder, 1, "ada", "ada", self.clock)
        self.bob = Device(folder, 2, "Bob", "bob", self.clock)
        self.phone = Device(folder, 2, "Bob", "phone", self.clock)
        keys = keys_of([self.ada], b"a" * 32), keys_of([self.bob, self.phone], b"b" * 32)
        for device in (self.ada, self.bob, self.phone):
            device.learn(*keys)

    def deliver(self, *, restart: bool = False) -> None:
        """Deliver all to-device messages, in order."""
        devices = {device.id: device for device in (self.ada, self.bob, self.phone)}
        while any(device.outgoing for device in devices.values()):
            for device in devices.values():
                while device.outgoing:
                    to, message = device.outgoing.pop(0)
                    target = devices[to.device]
                    if restart:
                        target.restart()
                    with target.store.transaction() as transaction:
                        target.verifications.take(transaction, message)


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


class TestTwoUsers:
    @pytest.mark.parametrize("restart", [False, True])
    def test_the_master_keys_of_both_are_verified_even_if_each_device_restarts_at_each_message(
        self, scene: Scene, *, restart: bool
    ) -> None:
        assert scene.ada.verify("bob")
        scene.deliver()
        for device in (scene.bob, scene.phone):
            [request] = device.news()
            assert (request.username, request.is_requested) == ("ada", True)
        assert not scene.bob.verify("ada")
        scene.deliver(restart=restart)
        with scene.ada.store.transaction() as ada, scene.bob.store.transaction() as bob:
            [seen], [shown] = scene.ada.verifications.open(ada), scene.bob.verifications.open(bob)
        assert seen.comparison == shown.comparison is not None
        scene.ada.compare("bob")
        scene.deliver(restart=restart)
        scene.bob.compare("ada")
        scene.deliver()
        assert scene.ada.trust(2) is scene.bob.trust(1) is Trust.VERIFIED
        assert scene.phone.ends == [VerificationEnd.ELSEWHERE]

    def test_requests_of_both_at_once_become_one(self, scene: Scene) -> None:
        scene.ada.verify("bob")
        scene.bob.verify("ada")
        scene.deliver()
        [seen], [shown] = scene.ada.news(), scene.bob.news()
        assert seen.comparison == shown.comparison is not None
        scene.ada.compare("bob")
        scene.bob.compare("ada")
        scene.deliver()
        assert scene.ada.ends == scene.bob.ends == [VerificationEnd.VERIFIED]

    def test_a_mismatch_verifies_nobody(self, scene: Scene) -> None:
        scene.ada.verify("bob")
        scene.deliver()
        scene.bob.verify("ada")
        scene.deliver()
        scene.ada.news()
        scene.bob.compare("ada", same=False)
        scene.deliver()
        assert scene.ada.ends == [VerificationEnd.MISMATCH]
        assert scene.ada.trust(2) is scene.bob.trust(1) is Trust.SEEN

    def test_a_changed_key_in_the_middle_ends_it(self, scene: Scene) -> None:
        scene.ada.verify("bob")
        scene.deliver()
        scene.bob.verify("ada")
        scene.deliver()
        scene.ada.news()
        scene.ada.learn(keys_of([scene.bob, scene.phone], b"c" * 32, version=2))
        scene.ada.compare("bob")
        assert scene.ada.ends == [VerificationEnd.KEYS_CHANGED]
        assert scene.ada.trust(2) is Trust.CHANGED

    def test_what_waits_too_long_ends_and_the_other_is_told(self, scene: Scene) -> None:
        scene.ada.verify("bob")
        scene.deliver()
        scene.bob.news()
        scene.clock.now_ms += 600_000
        with scene.ada.store.transaction() as transaction:
            scene.ada.verifications.expire(transaction)
        scene.deliver()
        assert scene.ada.ends == scene.bob.ends == [VerificationEnd.TIMED_OUT]

    def test_a_cancel_ends_it_for_all_devices(self, scene: Scene) -> None:
        scene.ada.verify("bob")
        scene.deliver()
        scene.bob.news()
        with scene.ada.store.transaction() as transaction:
            scene.ada.verifications.cancel(transaction, "BOB")
        scene.deliver()
        assert scene.ada.ends == [VerificationEnd.CANCELLED_HERE]
        assert scene.bob.ends == [VerificationEnd.CANCELLED_THERE]

    def test_nothing_to_compare_is_refused(self, scene: Scene) -> None:
        with pytest.raises(Failure, match="nothing to compare"):
            scene.ada.compare("bob")
        with pytest.raises(Failure, match="No keys of eve"):
            scene.ada.verify("eve")


class TestOwnDevice:
    def test_a_new_device_that_asks_is_verified_by_the_listed_one(self, scene: Scene, tmp_path: Path) -> None:
        new = Device(tmp_path, 1, "ada", "new", scene.clock)
        new.learn(keys_of([scene.ada], b"a" * 32))
        scene.phone = new
        assert new.verify_own()
        scene.deliver()
        [request] = scene.ada.news()
        assert (request.is_own, request.device) == (True, new.id)
        scene.ada.verify_own(new.id, new.identity.ed25519)
        scene.deliver()
        assert new.news()[0].comparison == scene.ada.news()[0].comparison
        new.compare("ada")
        scene.ada.compare("ada")
        scene.deliver()
        assert scene.ada.ends == [VerificationEnd.DEVICE_VERIFIED]
        assert new.ends == [VerificationEnd.VERIFIED]
        assert new.trust(1) is Trust.VERIFIED

    def test_a_device_key_that_the_server_replaced_is_not_verified(self, scene: Scene, tmp_path: Path) -> None:
        new = Device(tmp_path, 1, "ada", "new", scene.clock)
        new.learn(keys_of([scene.ada], b"a" * 32))
        scene.phone = new
        scene.ada.verify_own(new.id, public_key(b"x" * 32))
        scene.deliver()
        new.verify_own()
        scene.deliver()
        new.news()
        new.compare("ada")
        scene.ada.news()
        scene.ada.compare("ada")
        scene.deliver()
        assert scene.ada.ends == [VerificationEnd.FORGED]


class TestAServerThatInterferes:
    def test_requests_of_unknown_devices_and_users_do_nothing(self, scene: Scene) -> None:
        content = {"transaction_id": "t", "from_device": "GHOST", "methods": ["m.sas.v1"], "timestamp": START_MS}
        for username in ("ada", "eve"):
            self.take(scene.bob, username, "GHOST", "request", content)
        assert scene.bob.news() == []

    def test_it_can_invent_requests_but_few_are_kept(self, scene: Scene) -> None:
        scene.ada.verify("bob")
        [(_, request), _] = scene.ada.outgoing
        for number in range(3 * MAX_OPEN):
            self.take(scene.bob, "ada", scene.ada.id, "request", request.content | {"transaction_id": str(number)})
        with scene.bob.store.transaction() as transaction:
            assert len(transaction.names(Table.VERIFICATIONS)) <= MAX_OPEN

    @pytest.mark.parametrize("content", [{}, {"transaction_id": 7}, {"transaction_id": "unknown"}, {"timestamp": None}])
    def test_malformed_messages_do_nothing(self, scene: Scene, content: dict[str, Any]) -> None:
        for kind in ("request", "ready", "start", "mac", "cancel", "", "other"):
            self.take(scene.bob, "ada", scene.ada.id, kind, content)
        assert scene.bob.news() == []

    def take(self, device: Device, username: str, sender: str, kind: str, content: dict[str, Any]) -> None:
        type_ = f"m.key.verification.{kind}"
        message = ReceivedToDevice(
            user_id=0, username=username, device=sender, type=type_, content=content, encrypted=False
        )
        with device.store.transaction() as transaction:
            device.verifications.take(transaction, message)
