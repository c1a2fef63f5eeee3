"""A connection's input can be handled in portions, and its control frames have a rate."""

from hypothesis import given
from hypothesis import strategies as st

from chatterbox.wire.rate_limits import CONTROL_FRAMES
from services.gateway.core.frame_budget import control_frame_bucket
from services.gateway.core.frame_reader import FrameReader, Opcode
from tests.unit.gateway.core.test_frame_reader import framed


@given(st.lists(st.binary(max_size=300), max_size=20), st.lists(st.integers(1, 5)), st.integers(0, 8))
def test_frames_are_the_same_whether_read_in_portions_or_at_once(
    payloads: list[bytes], portions: list[int], cut: int
) -> None:
    """An interrupted iteration keeps the unread bytes, also those of an incomplete frame."""
    sent = b"".join(framed(Opcode.TEXT, payload) for payload in payloads)
    reader, read = FrameReader(65_536, 64), []
    frames = reader.feed(sent[: len(sent) - cut])
    for portion in portions:
        read += [payload for _, (_, payload) in zip(range(portion), frames, strict=False)]
    read += [payload for _, payload in frames]
    read += [payload for _, payload in reader.feed(sent[len(sent) - cut :])]
    assert read == payloads


@given(st.lists(st.floats(0, 2), max_size=400))
def test_control_frames_that_wait_as_told_keep_to_their_rate(pauses_s: list[float]) -> None:
    bucket, now_s = control_frame_bucket(0.0), 0.0
    for pause_s in pauses_s:
        now_s += pause_s + bucket.borrow(now_s)
        assert bucket.level >= -1
    assert len(pauses_s) <= CONTROL_FRAMES.bound.burst + CONTROL_FRAMES.bound.per_s * now_s + 1
