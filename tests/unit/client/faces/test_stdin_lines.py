"""Lines from standard input, of any kind."""

import locale
import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from client.faces.stdin_lines import stdin_lines


@contextmanager
def piped(data: bytes) -> Iterator[int]:
    reading, writing = os.pipe()
    with os.fdopen(writing, "wb") as pipe:
        pipe.write(data)
    yield reading
    os.close(reading)


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (b"", []),
        (b"one\ntwo\n", ["one", "two"]),
        (b"one\r\n\ntwo", ["one", "", "two"]),
        (b"caf\xc3\xa9 \xff\n", ["café \udcff"]),
        (b"a\x85b\xe2\x80\xa8c\n", ["a\udc85b\u2028c"]),
    ],
)
async def test_stdin_lines_split_at_newlines_only_and_accept_any_bytes(data: bytes, lines: list[str]) -> None:
    with piped(data) as descriptor:
        assert [line async for line in stdin_lines(descriptor)] == lines


async def test_stdin_lines_beyond_the_read_ahead_all_arrive(tmp_path: object) -> None:
    with piped(b"x\n" * 1000) as descriptor:
        assert len([line async for line in stdin_lines(descriptor)]) == 1000


@pytest.mark.parametrize(
    ("encoding", "text"), [("utf-8", "gr\udcfc\udcdfe"), ("iso8859-1", "grüße"), ("ascii", "gr\udcfc\udcdfe")]
)
async def test_other_bytes_than_utf_8_are_decoded_by_the_locale_or_kept_for_the_refusal(
    monkeypatch: pytest.MonkeyPatch, encoding: str, text: str
) -> None:
    monkeypatch.setattr(locale, "getencoding", lambda: encoding)
    with piped("grüße\n".encode() + "grüße\n".encode("iso8859-1")) as reading:
        assert [line async for line in stdin_lines(reading)] == ["grüße", text]
