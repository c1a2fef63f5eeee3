from hypothesis import given
from hypothesis import strategies as st

from chatterbox.wire.frames.encryption import DeviceAddress, WithheldReason
from client.encryption.core.messages.recipient_decision import (
    DIRECT_MESSAGES,
    DIRECT_S,
    ROOM_MESSAGES,
    OutboundFacts,
    RecipientMember,
    decide,
    is_worn_out,
)
from client.encryption.core.trust import Trust

OWN = DeviceAddress("ada", "OWN")
names = st.sampled_from(["ada", "bob", "eve"])
ids = st.sampled_from(["OWN", "D1", "D2", "D3"])
addresses = st.builds(DeviceAddress, names, ids)
device_sets = st.frozensets(ids)
members = st.dictionaries(names, st.builds(RecipientMember, st.sampled_from(Trust), device_sets, device_sets))
facts = st.builds(
    OutboundFacts,
    messages=st.integers(0, 60),
    age_s=st.floats(-10, 2 * DIRECT_S),
    shared=st.frozensets(addresses),
    unrecorded=st.frozensets(addresses),
    began_at=st.none() | st.integers(1, 9),
)


@given(st.lists(addresses, unique=True), members, st.none() | facts, st.integers(0, 9), st.booleans())
def test_every_device_gets_the_key_or_a_reason_and_no_other_ever_had_it(
    devices: list[DeviceAddress],
    known: dict[str, RecipientMember],
    outbound: OutboundFacts | None,
    closed_at: int,
    direct: bool,
) -> None:
    decision = decide(devices, OWN, known, outbound, closed_at=closed_at, direct=direct)
    withheld = {DeviceAddress(each.username, each.device) for each in decision.withheld}
    before = frozenset() if decision.new_session or outbound is None else outbound.shared
    held = before | set(decision.share)
    assert held | withheld == set(devices) - {OWN} | held
    assert not held & withheld
    assert held <= set(devices) - {OWN}
    for device in held:
        member = known[device.username]
        assert device.device in member.devices - member.removed
        assert member.trust is not Trust.CHANGED


@given(st.lists(addresses, unique=True), members, facts, st.integers(0, 9))
def test_session_goes_on_only_if_all_who_have_it_may_still_read(
    devices: list[DeviceAddress], known: dict[str, RecipientMember], outbound: OutboundFacts, closed_at: int
) -> None:
    decision = decide(devices, OWN, known, outbound, closed_at=closed_at, direct=True)
    if not decision.new_session:
        assert outbound.shared <= set(devices)
        assert outbound.messages < DIRECT_MESSAGES
        assert outbound.began_at is None or outbound.began_at >= closed_at


def member(trust: Trust = Trust.SEEN, *devices: str, removed: frozenset[str] = frozenset()) -> RecipientMember:
    return RecipientMember(trust, frozenset(devices), removed)


def test_reasons_tell_why_a_device_gets_no_key() -> None:
    devices = [DeviceAddress(*each.split("/")) for each in ("bob/D1", "bob/D2", "bob/D3", "eve/E1", "zoe/Z1")]
    known = {"bob": member(Trust.SEEN, "D1", removed=frozenset({"D3"})), "eve": member(Trust.CHANGED, "E1")}
    decision = decide([OWN, *devices], OWN, known, None, closed_at=0, direct=False)
    assert decision.share == (devices[0],)
    assert [each.reason for each in decision.withheld] == [
        WithheldReason.UNSIGNED,
        WithheldReason.REMOVED,
        WithheldReason.CHANGED,
        WithheldReason.UNSIGNED,
    ]
    assert decision.waits_for == ()


def test_changed_key_holds_a_direct_message_back() -> None:
    known = {"bob": member(Trust.CHANGED, "D1")}
    assert decide([DeviceAddress("bob", "D1")], OWN, known, None, closed_at=0, direct=True).waits_for == ("bob",)


def test_session_that_the_server_has_no_record_of_is_shared_again() -> None:
    bob = DeviceAddress("bob", "D1")
    facts = OutboundFacts(3, 10.0, frozenset({bob}), frozenset({bob}), 1)
    decision = decide([OWN, bob], OWN, {"bob": member(Trust.SEEN, "D1")}, facts, closed_at=0, direct=True)
    assert (decision.new_session, decision.share) == (False, (bob,))


def test_sessions_wear_out() -> None:
    assert is_worn_out(DIRECT_MESSAGES, 0.0, direct=True)
    assert not is_worn_out(DIRECT_MESSAGES, 0.0, direct=False)
    assert is_worn_out(ROOM_MESSAGES, 0.0, direct=False)
    assert is_worn_out(0, DIRECT_S, direct=True)
    assert is_worn_out(0, -1.0, direct=True)
    assert not is_worn_out(DIRECT_MESSAGES - 1, DIRECT_S - 1, direct=True)
