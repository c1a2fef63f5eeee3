"""Payloads come out as they went in, in whatever pieces the network brings them."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatterbox.chassis.core.length_prefix import PayloadReader, PayloadTooLargeError, prefixed


@given(payloads=st.lists(st.binary(max_size=40), max_size=10), cuts=st.lists(st.integers(0, 500), max_size=30))
def test_they_come_out_whole_and_in_order_wherever_the_bytes_are_cut(payloads: list[bytes], cuts: list[int]) -> None:
    sent = b"".join(map(prefixed, payloads))
    ends = [0, *sorted(min(cut, len(sent)) for cut in cuts), len(sent)]
    reader = PayloadReader(40)
    assert [payload for begin, end in pairwise(ends) for payload in reader.feed(sent[begin:end])] == payloads


@given(data=st.lists(st.binary(max_size=30), max_size=20))
def test_whatever_comes_it_is_payloads_or_refused(data: list[bytes]) -> None:
    reader = PayloadReader(100)
    try:
        for piece in data:
            assert all(len(payload) <= 100 for payload in reader.feed(piece))
    except PayloadTooLargeError:
        pass


def test_one_of_the_most_bytes_is_taken_and_one_more_is_refused_before_it_has_come() -> None:
    reader = PayloadReader(10)
    assert reader.feed(prefixed(b"x" * 10)) == [b"x" * 10]
    with pytest.raises(PayloadTooLargeError, match="11 bytes exceeds the limit of 10"):
        reader.feed(prefixed(b"x" * 11)[:4])
