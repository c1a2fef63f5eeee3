"""Encoding and decoding of broker payloads."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatterbox.wire import broker_events
from chatterbox.wire.broker_events import (
    Batch,
    ChangeBatch,
    ChangedMessage,
    MembershipChanged,
    SessionRevoked,
    TopicChanged,
)
from chatterbox.wire.untrusted_json import UnreadableError

lines = st.binary(min_size=1).filter(lambda line: b"\n" not in line)


numbers = st.integers(1, 2**53)
epochs = st.text("0123456789abcdef", min_size=1)


@given(epoch=epochs, first=numbers, frames=st.lists(lines, min_size=1), rev=st.integers(0, 2**53))
def test_a_batch_round_trips(epoch: str, first: int, frames: list[bytes], rev: int) -> None:
    encoded = broker_events.encode_batch(epoch, first, frames, rev)
    assert broker_events.decode_room_payload(encoded) == Batch(epoch, first, tuple(frames), rev)


@given(epoch=epochs, revs=st.lists(numbers, min_size=2, unique=True).map(sorted), data=st.data())
def test_changes_round_trip(epoch: str, revs: list[int], data: st.DataObject) -> None:
    after, *later = revs
    live = st.just(b"") | lines
    changes = tuple(ChangedMessage(data.draw(numbers), rev, data.draw(lines), data.draw(live)) for rev in later)
    encoded = broker_events.encode_changes(epoch, after, changes)
    assert broker_events.decode_room_payload(encoded) == ChangeBatch(epoch, after, changes)


@pytest.mark.parametrize(
    "payload",
    [b"", b"\n", b"e 1", b"e1\n{}", b" 1\n{}", b"e \n{}", b"e x\n{}", b"e -1\n{}", b"e 1 2 3\n{}", b"\xff 1\n{}",
     b"e 1_0\n{}", b"e 99999999999999999\n{}", b"e " + b"9" * 5000 + b"\n{}", b"e ~\n1 2\n{}\n", b"e ~1 2\n1 2\n{}\n",
     b"e ~1\n1 2\n{}", b"e ~1\n1\n{}\n", b"e ~1\n1 2\n\n", b"e ~2\n1 2\n{}\n", b"e ~1\n1 3\n{}\n\n1 2\n{}\n"],
)  # fmt: skip
def test_a_malformed_room_payload_raises_unreadable_error(payload: bytes) -> None:
    with pytest.raises(UnreadableError):
        broker_events.decode_room_payload(payload)


@given(st.binary() | st.binary().map(b"e ~1\n".__add__))
def test_any_bytes_decode_as_a_room_payload_or_raise_unreadable_error(payload: bytes) -> None:
    try:
        decoded = broker_events.decode_room_payload(payload)
    except UnreadableError:
        return
    match decoded:
        case Batch(epoch, first, frames, rev):
            assert frames
            encoded = broker_events.encode_batch(epoch, first, frames, rev)
        case ChangeBatch(epoch, after, changes):
            assert changes
            encoded = broker_events.encode_changes(epoch, after, changes)
    assert broker_events.decode_room_payload(encoded) == decoded


@given(st.binary())
def test_any_bytes_decode_as_a_control_event_or_raise_unreadable_error(payload: bytes) -> None:
    with suppress(UnreadableError):
        broker_events.decode_control(payload)


@given(
    event=st.builds(SessionRevoked, sid=st.text(), expires=st.integers(0, 2**40))
    | st.builds(
        MembershipChanged,
        revision=st.integers(1, 2**53),
        room_id=st.integers(1, 2**53),
        room=st.text(),
        private=st.booleans(),
        user_id=st.integers(1, 2**53),
        username=st.text(),
        member=st.booleans(),
        by=st.text(),
    )
    | st.builds(
        TopicChanged,
        revision=st.integers(1, 2**53),
        room_id=st.integers(1, 2**53),
        topic=st.text(),
        by=st.text(),
    )
)
def test_a_control_event_round_trips(event: broker_events.ControlEvent) -> None:
    assert broker_events.decode_control(broker_events.encode_control(event)) == event


@pytest.mark.parametrize("payload", [b"", b"{}", b'{"event":"later"}', b'{"event":"revoked"}', b"\xff", b"[" * 100_000])
def test_unknown_control_events_raise_unreadable_error(payload: bytes) -> None:
    with pytest.raises(UnreadableError):
        broker_events.decode_control(payload)


def test_each_room_has_its_own_channel_with_a_hash_tag() -> None:
    channels = {broker_events.room_channel(room_id) for room_id in range(100)}
    assert len(channels | {broker_events.CONTROL}) == 101
    assert broker_events.room_channel(7) == "chatterbox:room:{7}"
