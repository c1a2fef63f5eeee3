"""Names of files are safe to show, to save under, and to send as a header."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.files.core.safe_names import NAME_BYTES, NAME_CHARS, UNNAMED, clean_name, disposition


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("photo.jpg", "photo.jpg"),
        ("/home/ada/photo.jpg", "photo.jpg"),
        ("C:\\Users\\ada\\photo.jpg", "photo.jpg"),
        ("..", UNNAMED),
        ("", UNNAMED),
        ("a/", "a"),
        (".bashrc", "bashrc"),
        ("a\u202egpj.exe", "agpj.exe"),
        ("a\x1b[31m.txt", "a[31m.txt"),
        ("a\nb.txt", "a b.txt"),
        ("CON", "_CON"),
        ("aux.txt", "_aux.txt"),
        ('a<b>:"|?*.txt', "a_b______.txt"),
        ("\U0001f469\u200d\U0001f4bb.png", "\U0001f469\u200d\U0001f4bb.png"),
        ("x" * 500 + ".tar.gz", "x" * 117 + ".gz"),
    ],
)
def test_a_name_is_cleaned(typed: str, name: str) -> None:
    assert clean_name(typed) == name


@given(st.text(max_size=400))
def test_every_cleaned_name_is_safe(typed: str) -> None:
    name = clean_name(typed)
    assert 0 < len(name) <= NAME_CHARS
    assert len(name.encode()) <= NAME_BYTES
    assert not set(name) & set('/\\<>:"|?*\n\r\0')
    assert not any(unicodedata.category(each) in {"Cc", "Cs"} for each in name)
    assert not any("\u202a" <= each <= "\u202e" or "\u2066" <= each <= "\u2069" for each in name)
    assert name not in {".", ".."}
    assert not name.startswith((".", " "))


@given(st.text(max_size=400))
def test_a_disposition_is_one_header_line_of_ascii(typed: str) -> None:
    header = disposition(clean_name(typed))
    assert header.isascii()
    assert header.isprintable()
    assert header.count('"') == 2
