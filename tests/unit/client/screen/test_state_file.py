"""The state file."""

from pathlib import Path

from client.screen.state_file import StateFile
from client.store.text_cipher import TextCipher


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


def test_encrypted_state_is_not_on_disk_in_clear_and_comes_back(tmp_path: Path) -> None:
    cipher = TextCipher(lambda: bytes(32))
    state_file = StateFile(tmp_path, "http://x", "alice", cipher)
    state_file.save(b"/msg bob a canary")
    state_file.encrypt()
    state_file.save(b"/msg bob a canary")
    assert not any(b"canary" in path.read_bytes() for path in tmp_path.rglob("*.json"))
    assert StateFile(tmp_path, "http://x", "alice", cipher).load() == b"/msg bob a canary"


def test_encrypted_state_stays_encrypted_in_the_next_run(tmp_path: Path) -> None:
    cipher = TextCipher(lambda: bytes(32))
    first = StateFile(tmp_path, "http://x", "alice", cipher)
    first.encrypt()
    first.save(b"one")
    second = StateFile(tmp_path, "http://x", "alice", cipher)
    second.load()
    second.save(b"a canary")
    assert not any(b"canary" in path.read_bytes() for path in tmp_path.rglob("*.json"))


def test_state_of_another_key_counts_as_none(tmp_path: Path) -> None:
    first = StateFile(tmp_path, "http://x", "alice", TextCipher(lambda: bytes(32)))
    first.encrypt()
    first.save(b"one")
    assert StateFile(tmp_path, "http://x", "alice", TextCipher(lambda: b"x" * 32)).load() == b""
