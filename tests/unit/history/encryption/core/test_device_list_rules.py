"""Which device lists may follow which, and what they change about devices."""

from dataclasses import dataclass

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatterbox.wire.auth_api import UserInfo
from chatterbox.wire.encryption.key_api import DeviceListUpload, DeviceState
from chatterbox.wire.errors import ChatError, Code
from services.history.encryption.core import device_list_rules
from services.history.encryption.core.device_list_rules import DeviceMove, StoredList, UploadedDevice
from tests.support.key_user import KeyUser

ADA = KeyUser(UserInfo(1, "ada"), b"m" * 32, b"s" * 32)
SAME_MASTER = KeyUser(ADA.user, ADA.master_seed, b"t" * 32)
STRANGER = KeyUser(ADA.user, b"n" * 32, b"u" * 32)


def stored(upload: DeviceListUpload, *, is_restored: bool = False) -> StoredList:
    return StoredList(master=upload.master, self_signing=upload.self_signing, list=upload.list, is_restored=is_restored)


def succession(before: StoredList | None, upload: DeviceListUpload) -> Code | None:
    try:
        is_restored = before is not None and before.is_restored
        device_list_rules.check_succession(before, upload, is_restored=is_restored)
    except ChatError as refused:
        return refused.code
    return None


class TestSuccession:
    @pytest.mark.parametrize(("generation", "version"), [(1, 1), (3, 1)])
    def test_the_first_list_has_version_1(self, generation: int, version: int) -> None:
        assert succession(None, ADA.list([], version, generation=generation)) is None

    def test_a_first_list_with_another_version_is_stale(self) -> None:
        assert succession(None, ADA.list([], 2)) is Code.LIST_STALE
        assert succession(None, ADA.list([], 1, generation=0)) is Code.LIST_INVALID

    @pytest.mark.parametrize(
        ("generation", "version", "expected"),
        [
            (2, 6, None),
            (2, 5, Code.LIST_STALE),
            (2, 7, Code.LIST_STALE),
            (3, 1, Code.LIST_STALE),
            (1, 6, Code.LIST_STALE),
        ],
    )
    def test_under_the_same_key_only_the_next_version_follows(
        self, generation: int, version: int, expected: Code | None
    ) -> None:
        before = stored(ADA.list([], 5, generation=2))
        assert succession(before, ADA.list([], version, generation=generation)) is expected

    @pytest.mark.parametrize(
        ("generation", "version", "expected"),
        [(3, 6, None), (3, 1, Code.LIST_STALE), (4, 6, Code.LIST_STALE), (2, 6, Code.LIST_INVALID)],
    )
    def test_a_new_self_signing_key_begins_the_next_generation_and_the_version_counts_on(
        self, generation: int, version: int, expected: Code | None
    ) -> None:
        before = stored(ADA.list([], 5, generation=2))
        assert succession(before, SAME_MASTER.list([], version, generation=generation)) is expected

    def test_another_master_key_needs_reset(self) -> None:
        before = stored(ADA.list([], 5, removed=["AAAAAAAAAA"]))
        assert succession(before, STRANGER.list([], 6, generation=2)) is Code.LIST_INVALID
        assert succession(before, STRANGER.list([], 6, generation=2, reset=True)) is None
        assert succession(before, STRANGER.list([], 1, generation=2, reset=True)) is Code.LIST_STALE

    def test_removed_devices_are_named_for_ever(self) -> None:
        before = stored(ADA.list([], 5, removed=["AAAAAAAAAA", "BBBBBBBBBB"]))
        assert succession(before, ADA.list([], 6, removed=["AAAAAAAAAA"])) is Code.LIST_INVALID
        assert succession(before, ADA.list([], 6, removed=["BBBBBBBBBB", "AAAAAAAAAA", "CCCCCCCCCC"])) is None
        assert succession(before, SAME_MASTER.list([], 6, generation=2)) is Code.LIST_INVALID

    @given(old=st.tuples(st.integers(1, 5), st.integers(1, 5)), new=st.tuples(st.integers(1, 5), st.integers(1, 5)))
    def test_after_a_restored_backup_any_later_list_follows(self, old: tuple[int, int], new: tuple[int, int]) -> None:
        before = stored(ADA.list([], old[1], generation=old[0]), is_restored=True)
        later = SAME_MASTER.list([], new[1], generation=new[0])
        is_later = new[0] >= old[0] and new[1] > old[1]
        assert succession(before, later) is (None if is_later else Code.LIST_STALE)

    def test_a_list_may_be_the_first_one_after_a_restored_backup_whatever_its_version(self) -> None:
        later = ADA.list([], 7, generation=3)
        device_list_rules.check_succession(None, later, is_restored=True)
        assert succession(None, later) is Code.LIST_STALE

    def test_exactly_the_stored_list_is_the_same(self) -> None:
        upload = ADA.list([], 5)
        assert device_list_rules.is_same(stored(upload), upload)
        assert not device_list_rules.is_same(stored(upload), ADA.list([], 6))
        assert not device_list_rules.is_same(None, upload)
        resigned = msgspec.structs.replace(upload, self_signing=SAME_MASTER.self_signing)
        assert not device_list_rules.is_same(stored(upload), resigned)


@dataclass
class Case:
    """A device before a list, whether the list has it, and the state after it."""

    state: DeviceState
    place: str
    after: DeviceState
    is_dehydrated: bool = False
    has_session: bool = True
    loses_access: bool = False


P, L, A, E, R = (
    DeviceState.PENDING,
    DeviceState.LISTED,
    DeviceState.ASLEEP,
    DeviceState.ENDED,
    DeviceState.REMOVED,
)
CASES = [
    Case(P, "listed", L),
    Case(P, "listed", E, has_session=False),
    Case(P, "listed", L, is_dehydrated=True, has_session=False),
    Case(L, "listed", L),
    Case(A, "listed", A),
    Case(E, "listed", E),
    Case(P, "left out", P),
    Case(L, "left out", P, loses_access=True),
    Case(A, "left out", P),
    Case(E, "left out", P),
    Case(L, "left out", R, is_dehydrated=True),
    Case(P, "left out", P, is_dehydrated=True),
    Case(P, "removed", R),
    Case(L, "removed", R, loses_access=True),
    Case(A, "removed", R),
    Case(E, "removed", R),
    Case(L, "removed", R, is_dehydrated=True),
    Case(P, "removed", R, is_dehydrated=True),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_state_of_a_device_after_a_list_is(case: Case) -> None:
    device = ADA.device(is_dehydrated=case.is_dehydrated)
    new = ADA.list([device] if case.place == "listed" else [], removed=[device.id] if case.place == "removed" else [])
    digest = next(iter(ADA.list([device]).list.devices.values()))
    before = UploadedDevice(7, device.id, case.state, case.is_dehydrated, case.has_session, digest)
    expected = [] if case.after is case.state else [DeviceMove(7, case.after, case.loses_access)]
    assert device_list_rules.moves([before], new.list) == expected


def test_a_list_names_only_devices_that_were_uploaded_with_these_keys() -> None:
    device, dehydrated = ADA.device(), ADA.device(is_dehydrated=True)
    new = ADA.list([device, dehydrated]).list
    right = [
        UploadedDevice(number, each.id, P, each.is_dehydrated, True, new.devices[each.id])
        for number, each in enumerate((device, dehydrated))
    ]
    assert [move.state for move in device_list_rules.moves(right, new)] == [L, L]
    wrong = [
        right[:1],
        [right[0]._replace(digest="other"), right[1]],
        [right[0]._replace(state=R), right[1]],
        [right[0]._replace(is_dehydrated=True), right[1]],
        [right[0], right[1]._replace(is_dehydrated=False)],
    ]
    for devices in wrong:
        with pytest.raises(ChatError) as refused:
            device_list_rules.moves(devices, new)
        assert refused.value.code is Code.LIST_INVALID
