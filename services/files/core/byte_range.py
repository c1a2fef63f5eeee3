"""Ranges and conditions of requests for a file (RFC 9110 sections 13 and 14). Pure."""

import re
from typing import NamedTuple

_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")


class ByteSpan(NamedTuple):
    """The bytes from `start` up to, not including, `end`."""

    start: int
    end: int


class UnsatisfiableError(ValueError):
    """No byte of the file is in the range: 416."""


def requested_span(header: str, if_range: str, etag: str, size: int) -> ByteSpan | None:
    """The single range that is asked for; None: send the whole file, as servers may for any other range.

    Raises `UnsatisfiableError`.

    >>> requested_span("bytes=2-", "", '"e"', 5), requested_span("bytes=-9", "", '"e"', 5)
    (ByteSpan(start=2, end=5), ByteSpan(start=0, end=5))
    """
    found = _RANGE.fullmatch(header.strip().lower().replace(" ", ""))
    if found is None or found[0] == "bytes=-" or (if_range and if_range.strip() != etag):
        return None
    first, last = found[1], found[2]
    if not first:
        span = ByteSpan(max(0, size - int(last)), size)
    elif last and int(last) < int(first):
        return None  # invalid, so it is ignored
    else:
        span = ByteSpan(int(first), min(size, int(last) + 1) if last else size)
    if span.start >= span.end:
        raise UnsatisfiableError
    return span


def matches(if_none_match: str, etag: str) -> bool:
    """Whether a header `If-None-Match` names `etag` (weak comparison).

    >>> matches('W/"a", "b"', '"a"'), matches("*", '"a"'), matches('"ab"', '"a"')
    (True, True, False)
    """
    names = {each.strip().removeprefix("W/") for each in if_none_match.split(",")}
    return "*" in names or etag in names
