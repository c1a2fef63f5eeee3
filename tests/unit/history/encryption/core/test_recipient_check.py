"""The recipient check: which envelopes may be stored, from the numbers of the room and the session."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatterbox.wire.encryption import envelope
from chatterbox.wire.encryption.key_api import DeviceState
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.limits import Limits
from services.history.encryption.core.recipient_check import (
    USED_EVERY_MS,
    RecipientCheck,
    SessionFacts,
    SessionKey,
    is_current,
    session_key,
)
from tests.support import device_rows
from tests.support.device_rows import session_id

DEVICE, SESSION = "AAAAAAAAA2", session_id(1)
RIGHT = SessionFacts(
    recipients=5,
    closed_at=3,
    shared_for=5,
    began_at=3,
    used_ms=0,
    user_id=7,
    device=DEVICE,
    state=DeviceState.LISTED,
)
USED = envelope.parse(device_rows.envelope(DEVICE, SESSION), 1000)


def refusal(facts: SessionFacts, *, recipients: int = 5, user_id: int = 7, room_id: int = 1) -> Code | None:
    check = RecipientCheck({SessionKey(1, SESSION): facts}, now_ms=0, limits=Limits())
    try:
        check.require(room_id, user_id, USED, recipients)
    except ChatError as refused:
        return refused.code
    return None


def test_a_message_for_the_present_recipients_may_be_stored() -> None:
    assert refusal(RIGHT) is None


@pytest.mark.parametrize(
    "facts",
    [
        RIGHT._replace(recipients=6),
        RIGHT._replace(recipients=6, shared_for=6),
        RIGHT._replace(shared_for=4),
        RIGHT._replace(shared_for=0),
        RIGHT._replace(closed_at=4),
        RIGHT._replace(user_id=8),
        RIGHT._replace(device="AAAAAAAAA3"),
        *(RIGHT._replace(state=state) for state in DeviceState if state is not DeviceState.LISTED),
    ],
)
def test_every_other_number_device_or_state_is_stale(facts: SessionFacts) -> None:
    assert refusal(facts) == Code.RECIPIENTS_STALE


def test_another_version_user_or_room_of_the_message_is_stale() -> None:
    stale = [refusal(RIGHT, recipients=4), refusal(RIGHT, recipients=6), refusal(RIGHT, user_id=8)]
    assert [*stale, refusal(RIGHT, room_id=2)] == [Code.RECIPIENTS_STALE] * 4


@given(*(st.integers(0, 6) for _ in range(5)))
def test_what_is_stale_stays_stale_since_versions_only_rise(
    recipients: int, closed_at: int, shared_for: int, began_at: int, rise: int
) -> None:
    facts = RIGHT._replace(recipients=recipients, closed_at=closed_at, shared_for=shared_for, began_at=began_at)
    later = facts._replace(recipients=recipients + rise + 1)
    for version in range(recipients + 1):
        assert not is_current(later, version)


def test_the_use_of_a_session_is_noted_at_most_once_an_hour() -> None:
    for used_ms, noted in ((1, {}), (0, {(1, SESSION): USED_EVERY_MS})):
        facts = {SessionKey(1, SESSION): RIGHT._replace(used_ms=used_ms)}
        check = RecipientCheck(facts, now_ms=USED_EVERY_MS, limits=Limits())
        check.require(1, 7, USED, 5)
        assert check.used == noted


@given(st.text())
def test_any_text_names_some_session(content: str) -> None:
    assert session_key(1, content).room_id == 1
