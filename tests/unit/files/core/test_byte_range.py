"""Ranges of requests: each asks for bytes of the file, for the whole file, or for none of it."""

import contextlib

from hypothesis import given
from hypothesis import strategies as st

from services.files.core.byte_range import ByteSpan, UnsatisfiableError, requested_span

SIZES = st.integers(0, 1000)


@given(st.text(max_size=30) | st.from_regex(r"bytes=\d{0,4}-\d{0,4}", fullmatch=True), SIZES)
def test_any_range_header_gives_a_part_of_the_file_or_the_whole(header: str, size: int) -> None:
    with contextlib.suppress(UnsatisfiableError):
        span = requested_span(header, "", '"e"', size)
        assert span is None or 0 <= span.start < span.end <= size


@given(st.integers(0, 99), st.integers(0, 200))
def test_a_range_is_the_same_as_a_slice(first: int, last: int) -> None:
    content = bytes(range(100))
    span = requested_span(f"bytes={first}-{last}", "", '"e"', 100)
    assert last < first if span is None else content[span.start : span.end] == content[first : last + 1]


def test_a_range_of_another_version_is_the_whole_file() -> None:
    assert requested_span("bytes=0-0", '"other"', '"e"', 10) is None
    assert requested_span("bytes=0-0", '"e"', '"e"', 10) == ByteSpan(0, 1)
