"""The file of rows whose old texts are still to be removed."""

from pathlib import Path

from services.history.erasure.page_erasure import FILES, MESSAGES, TextRow
from services.history.erasure.pending_erasures import FILE_NAME, PendingErasures, read

MESSAGE, FILE = TextRow(MESSAGES, 7), TextRow(FILES, 8)


def test_rows_are_kept_in_the_file_until_all_are_done(tmp_path: Path) -> None:
    pending = PendingErasures(tmp_path)
    pending.add([MESSAGE])
    pending.add([FILE, MESSAGE])
    assert (tmp_path / FILE_NAME).read_text() == "messages 7\nfiles 8\nmessages 7\n"
    pending.done([MESSAGE])
    assert PendingErasures(tmp_path).rows == [MESSAGE, FILE]
    pending.done([FILE])
    assert not (tmp_path / FILE_NAME).exists()
    assert PendingErasures(tmp_path).rows == []


def test_lines_that_are_not_whole_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"messages 7\nfil\xff\nmessages \nothers 3\nfiles 8\n")
    assert read(tmp_path / FILE_NAME) == [MESSAGE, FILE]
