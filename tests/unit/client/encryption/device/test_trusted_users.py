"""What a lying server shows of a user's keys: it is refused, told once, and what was proven before stays in use."""

from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from chatterbox.wire.encryption.device_keys import UserKeys, matrix_user
from client.encryption.core import list_changes
from client.encryption.core.cross_signatures import SEED_BYTES, signed_by
from client.encryption.core.known_keys import VerifiedFirst
from client.encryption.core.trust import Trust
from client.encryption.device.device_identity import DeviceIdentity
from client.encryption.device.trusted_users import KeyProblem, TrustedUser, TrustedUsers
from client.encryption.store.key_store import KEY_BYTES, KeyStore, StoreTransaction

BOB = 7
MASTER, SELF_SIGNING, OTHER = b"m" * SEED_BYTES, b"s" * SEED_BYTES, b"o" * SEED_BYTES
NOW_MS = 1_800_000_000_000


class Bob:
    """Bob's keys, with a device `phone`."""

    def __init__(self, folder: Path) -> None:
        self._store = KeyStore(folder / "bob.sqlite3", bytes(KEY_BYTES))
        with self._store.transaction() as transaction:
            self.phone = DeviceIdentity.create(transaction, BOB, "bob").device_keys(transaction)
            self.tablet = DeviceIdentity.create(transaction, BOB, "bob").device_keys(transaction)
        self.first = self.as_keys(list_changes.first_list(BOB, "bob", MASTER, SELF_SIGNING, [self.phone]))
        self.second = self.changed(add=[self.tablet])
        self.without_tablet = self.as_keys(
            list_changes.changed_list(self.second, SELF_SIGNING, remove=[self.tablet.device_id])
        )

    def changed(self, **changes: list[object]) -> UserKeys:
        return self.as_keys(list_changes.changed_list(self.first, SELF_SIGNING, **changes))  # type: ignore[arg-type]

    @staticmethod
    def as_keys(upload: object) -> UserKeys:
        return list_changes.as_user_keys(upload, BOB)  # type: ignore[arg-type]

    def close(self) -> None:
        self._store.close()


class Ada:
    """Ada's knowledge of other users."""

    def __init__(self, folder: Path) -> None:
        self.store = KeyStore(folder / "ada.sqlite3", bytes(KEY_BYTES))
        self.users = TrustedUsers(lambda: NOW_MS)

    def sees(self, keys: UserKeys) -> TrustedUser | None:
        with self.store.transaction() as transaction:
            return self.users.accept(transaction, keys)

    def does(self, work: Callable[[StoreTransaction], TrustedUser | None]) -> TrustedUser:
        with self.store.transaction() as transaction:
            user = work(transaction)
        assert user is not None
        return user


@pytest.fixture
def bob(tmp_path: Path) -> Iterator[Bob]:
    bob = Bob(tmp_path)
    yield bob
    bob.close()


@pytest.fixture
def ada(tmp_path: Path) -> Iterator[Ada]:
    ada = Ada(tmp_path)
    yield ada
    ada.store.close()


def outcome(user: TrustedUser | None) -> tuple[int, KeyProblem | None, bool]:
    assert user is not None
    return user.version, user.problem, user.is_news


class TestLists:
    def test_a_newer_list_replaces_the_one_before(self, ada: Ada, bob: Bob) -> None:
        assert outcome(ada.sees(bob.first)) == (1, None, False)
        user = ada.sees(bob.second)
        assert outcome(user) == (2, None, False)
        assert user is not None
        assert set(user.devices) == {bob.phone.device_id, bob.tablet.device_id}

    def test_an_earlier_list_is_ignored_and_told_once(self, ada: Ada, bob: Bob) -> None:
        ada.sees(bob.without_tablet)
        assert outcome(ada.sees(bob.second)) == (3, KeyProblem.LOWER_LIST, True)
        assert outcome(ada.sees(bob.second)) == (3, KeyProblem.LOWER_LIST, False)
        assert outcome(ada.sees(bob.first)) == (3, KeyProblem.LOWER_LIST, True)

    def test_two_lists_of_one_version_contradict_each_other(self, ada: Ada, bob: Bob) -> None:
        ada.sees(bob.second)
        other = bob.changed(remove=[bob.tablet.device_id])
        assert outcome(ada.sees(other)) == (2, KeyProblem.CONFLICTING_LIST, True)

    def test_a_removed_device_does_not_come_back(self, ada: Ada, bob: Bob) -> None:
        ada.sees(bob.without_tablet)
        forgetful = msgspec.structs.replace(
            bob.without_tablet, list=msgspec.structs.replace(bob.without_tablet.list, removed=())
        )
        back = bob.as_keys(list_changes.changed_list(forgetful, SELF_SIGNING, add=[bob.tablet]))
        assert outcome(ada.sees(back)) == (3, KeyProblem.CONFLICTING_LIST, True)

    def test_a_device_that_bob_did_not_sign_gets_nothing(self, ada: Ada, bob: Bob) -> None:
        ada.sees(bob.first)
        planted = msgspec.structs.replace(bob.first, device_keys=bob.second.device_keys)
        user = ada.sees(planted)
        assert outcome(user) == (1, KeyProblem.UNSIGNED, True)
        assert user is not None
        assert set(user.devices) == {bob.phone.device_id}

    def test_a_list_signed_with_another_self_signing_key_is_refused(self, ada: Ada, bob: Bob) -> None:
        ada.sees(bob.first)
        forged = signed_by(msgspec.structs.replace(bob.second.list, signatures={}), matrix_user(BOB), OTHER)
        assert outcome(ada.sees(msgspec.structs.replace(bob.second, list=forged))) == (1, KeyProblem.UNSIGNED, True)

    def test_exchanged_device_keys_are_refused(self, ada: Ada, bob: Bob) -> None:
        phone, tablet = bob.phone.device_id, bob.tablet.device_id
        swapped = {phone: bob.second.device_keys[tablet], tablet: bob.second.device_keys[phone]}
        assert ada.sees(msgspec.structs.replace(bob.second, device_keys=swapped)) is None

    def test_keys_of_another_user_are_refused(self, ada: Ada, bob: Bob) -> None:
        assert ada.sees(msgspec.structs.replace(bob.first, user_id=8)) is None
        assert ada.sees(msgspec.structs.replace(bob.first, username="mallory")) is None

    def test_a_list_that_the_server_withholds_is_told_once(self, ada: Ada, bob: Bob) -> None:
        ada.sees(bob.first)
        with ada.store.transaction() as transaction:
            assert ada.users.note_version(transaction, BOB, 2)
            assert not ada.users.note_version(transaction, BOB, 1)
        withheld = [outcome(ada.does(lambda held: ada.users.withheld(held, BOB, 2))) for _ in range(2)]
        assert withheld == [(1, KeyProblem.WITHHELD_LIST, True), (1, KeyProblem.WITHHELD_LIST, False)]

    def test_a_renewed_self_signing_key_is_of_the_same_user(self, ada: Ada, bob: Bob) -> None:
        ada.sees(bob.second)
        renewed = bob.as_keys(list_changes.renewed_list(bob.second, MASTER, OTHER, remove=[bob.tablet.device_id]))
        user = ada.sees(renewed)
        assert user is not None
        assert (user.generation, user.version, user.trust) == (2, 3, Trust.SEEN)
        by_the_thief = bob.as_keys(list_changes.changed_list(bob.second, SELF_SIGNING, remove=[bob.phone.device_id]))
        assert outcome(ada.sees(by_the_thief)) == (3, KeyProblem.LOWER_LIST, True)


class TestAnotherMasterKey:
    @pytest.fixture
    def reset(self, bob: Bob) -> UserKeys:
        return bob.as_keys(list_changes.reset_list(bob.second, OTHER, b"t" * SEED_BYTES, bob.phone))

    def test_is_told_once_and_waits_to_be_accepted(self, ada: Ada, bob: Bob, reset: UserKeys) -> None:
        ada.sees(bob.first)
        seen = [ada.sees(reset) for _ in range(2)]
        assert [(user.trust, user.is_news) for user in seen if user] == [(Trust.CHANGED, True), (Trust.CHANGED, False)]
        master = reset.master.public_key
        assert ada.does(lambda held: ada.users.accept_change(held, BOB, "another")).trust is Trust.CHANGED
        assert ada.does(lambda held: ada.users.accept_change(held, BOB, master)).trust is Trust.SEEN

    def test_of_a_verified_user_needs_a_verification(self, ada: Ada, bob: Bob, reset: UserKeys) -> None:
        ada.sees(bob.first)
        ada.does(lambda held: ada.users.mark_verified(held, BOB, bob.first.master.public_key))
        user = ada.sees(reset)
        assert user is not None
        assert (user.trust, user.was_verified) == (Trust.CHANGED, True)
        with pytest.raises(VerifiedFirst), ada.store.transaction() as transaction:
            ada.users.accept_change(transaction, BOB, reset.master.public_key)
        former = bob.first.master.public_key
        assert ada.does(lambda held: ada.users.mark_verified(held, BOB, former)).trust is Trust.CHANGED
        verified = ada.does(lambda held: ada.users.mark_verified(held, BOB, reset.master.public_key))
        assert verified.trust is Trust.VERIFIED

    def test_that_goes_away_again_leaves_no_trace(self, ada: Ada, bob: Bob, reset: UserKeys) -> None:
        ada.sees(bob.second)
        ada.sees(reset)
        user = ada.sees(bob.without_tablet)
        assert user is not None
        assert (user.trust, user.version) == (Trust.SEEN, 3)

    def test_does_not_hide_an_earlier_list_of_the_first_key(self, ada: Ada, bob: Bob, reset: UserKeys) -> None:
        ada.sees(bob.without_tablet)
        ada.sees(reset)
        user = ada.sees(bob.second)
        assert user is not None
        assert (user.trust, user.problem) == (Trust.CHANGED, KeyProblem.LOWER_LIST)
