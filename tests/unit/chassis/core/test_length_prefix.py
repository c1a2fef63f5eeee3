"""Length-prefix framing."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatterbox.chassis.core.length_prefix import PayloadReader, PayloadTooLargeError, prefixed


@given(payloads=st.lists(st.binary(max_size=40), max_size=10), splits=st.lists(st.integers(0, 500), max_size=30))
def test_payloads_are_complete_and_in_order_however_the_bytes_are_split(
    payloads: list[bytes], splits: list[int]
) -> None:
    sent = b"".join(map(prefixed, payloads))
    ends = [0, *sorted(min(split, len(sent)) for split in splits), len(sent)]
    reader = PayloadReader(40)
    assert [payload for start, end in pairwise(ends) for payload in reader.feed(sent[start:end])] == payloads


@given(data=st.lists(st.binary(max_size=30), max_size=20))
def test_any_bytes_give_payloads_or_payload_too_large_error(data: list[bytes]) -> None:
    reader = PayloadReader(100)
    try:
        for piece in data:
            assert all(len(payload) <= 100 for payload in reader.feed(piece))
    except PayloadTooLargeError:
        pass


def test_a_payload_at_the_limit_is_read_and_a_larger_one_refused_by_its_length() -> None:
    reader = PayloadReader(10)
    assert reader.feed(prefixed(b"x" * 10)) == [b"x" * 10]
    with pytest.raises(PayloadTooLargeError, match="11 bytes exceeds the limit of 10"):
        reader.feed(prefixed(b"x" * 11)[:4])
