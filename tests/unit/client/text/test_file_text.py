"""Files of messages as text, and the names under which they are saved."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatterbox.wire.frames import AttachedFile
from client.text.file_text import SAVED_BYTES, file_lines, saved_name, size_text, summary
from client.text.sanitize import inert

PLAN = AttachedFile(id="4f0c", name="plan\x1b[2J.pdf", type="application/pdf", size=1_258_291)


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (1023, "1023 bytes"),
        (1024, "1.0 KiB"),
        (1024**2 - 1, "1.0 MiB"),
        (1_258_291, "1.2 MiB"),
        (5 * 1024**3, "5.0 GiB"),
    ],
)
def test_size_is_told_in_a_unit_that_people_read(size: int, text: str) -> None:
    assert size_text(size) == text


def test_line_of_a_file_has_its_inert_name_its_size_and_what_saves_it() -> None:
    assert file_lines([PLAN], lambda _: "/save 3") == ["file: plan␛[2J.pdf (1.2 MiB), /save 3"]


def test_message_without_a_text_is_summed_up_by_its_files() -> None:
    assert summary("hello", [PLAN]) == "hello"
    assert summary("", [PLAN, PLAN]) == "file: plan␛[2J.pdf (1.2 MiB), file: plan␛[2J.pdf (1.2 MiB)"


@pytest.mark.parametrize(
    ("name", "saved"),
    [
        ("plan.pdf", "plan.pdf"),
        ("../../etc/passwd", "passwd"),
        ("C:\\temp\\x.exe", "x.exe"),
        ("..", "file"),
        ("/", "file"),
        ("", "file"),
        (".bashrc", "bashrc"),
        ("-rf", "_-rf"),
        ("~root", "_~root"),
        ("a\x00b\u202exe.txt", "abxe.txt"),
        ("a" * 300 + ".txt", "a" * 196 + ".txt"),
    ],
)
def test_name_is_cleaned_before_it_is_written_to_the_disk(name: str, saved: str) -> None:
    assert saved_name(name) == saved


@given(st.text())
def test_saved_name_is_one_harmless_part_of_a_path(name: str) -> None:
    saved = saved_name(name)
    assert "/" not in saved
    assert saved.strip(". ") == saved != ""
    assert not saved.startswith(("-", "~"))
    assert inert(saved) == saved or any(not part.isascii() for part in saved)
    assert len(saved.encode()) <= SAVED_BYTES
    assert saved_name(saved) == saved
