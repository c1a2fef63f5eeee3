"""The media type of a file is found in its first bytes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.files.core.media_types import HEAD_BYTES, TEXT, UNKNOWN, media_type

RUNNABLE = ("html", "svg", "xml", "script", "xhtml", "css")


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"\x89PNG\r\n\x1a\n", "image/png"),
        (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "image/webp"),
        (b"RIFF\x00\x00\x00\x00ABCD", UNKNOWN),
        (b"\x00\x00\x00\x1cftypheic", "image/heic"),
        (b"\x00\x00\x00\x1cftypisom", "video/mp4"),
        (b"BM\x00\x00\x00\x00\x00\x00\x00\x00", "image/bmp"),
        (bytes(257) + b"ustar", "application/x-tar"),
        (b"%PDF-1.7", "application/pdf"),
        (b"MZ", "application/vnd.microsoft.portable-executable"),
        (b"plain text\n", TEXT),
        ("gr\u00fc\u00dfe".encode(), TEXT),
        (b"caf\xe9", UNKNOWN),
        (b"nul\x00", UNKNOWN),
        (b"", UNKNOWN),
    ],
)
def test_a_well_known_type_is_found_in_its_first_bytes(head: bytes, kind: str) -> None:
    assert media_type(head) == kind


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), min_size=200, max_size=600))
def test_text_is_text_wherever_it_is_cut(text: str) -> None:
    content = f"x{text}".encode()
    assert media_type(content[:HEAD_BYTES]) == TEXT


@given(st.binary(max_size=600))
def test_no_content_is_of_a_type_that_a_browser_runs(content: bytes) -> None:
    assert not any(word in media_type(content) for word in RUNNABLE)


@pytest.mark.parametrize(
    "markup", [b"<svg xmlns='http://www.w3.org/2000/svg' onload='f()'/>", b"<!DOCTYPE html>", b"<?xml version='1.0'?>"]
)
def test_markup_is_plain_text(markup: bytes) -> None:
    assert media_type(markup) == TEXT
