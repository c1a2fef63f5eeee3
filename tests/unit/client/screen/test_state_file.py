"""The state file."""

from pathlib import Path

from client.screen.state_file import StateFile


def test_state_file_is_loaded_by_the_next_run_and_readable_by_its_owner_only(tmp_path: Path) -> None:
    StateFile(tmp_path, "http://x", "alice").save(b"one")
    assert StateFile(tmp_path, "http://x", "Alice").load() == b"one"
    (file,) = (path for path in tmp_path.rglob("*") if path.is_file())
    assert file.stat().st_mode & 0o077 == 0


def test_state_file_is_not_written_after_the_last_save(tmp_path: Path) -> None:
    state_file = StateFile(tmp_path, "http://x", "alice")
    state_file.save(b"last", last=True)
    state_file.save(b"late")
    assert StateFile(tmp_path, "http://x", "alice").load() == b"last"


def test_disk_error_in_the_state_file_is_ignored(tmp_path: Path) -> None:
    (tmp_path / "screen").write_text("in the way")
    state_file = StateFile(tmp_path, "http://x", "alice")
    state_file.save(b"one")
    assert state_file.load() == b""
