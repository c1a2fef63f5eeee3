"""The session on disk, and the folder of the client's files."""

import os
import stat
from pathlib import Path

import pytest

from client.config.xdg_folders import state_folder
from client.failures import Failure
from client.store.session_file import SavedSession, SessionFile, saved_server

SERVER = "https://chat.example.org"
SESSION = SavedSession(SERVER, "alice", "secret-token", "s1", expires_at=1000.0, lifetime_s=100.0)


class TestSessionFile:
    def test_saved_session_is_loaded_unchanged(self, tmp_path: Path) -> None:
        file = SessionFile(tmp_path, SERVER)
        file.save(SESSION)
        assert file.load() == SESSION
        assert saved_server(tmp_path) == SERVER

    def test_session_file_is_private(self, tmp_path: Path) -> None:
        old = os.umask(0)
        try:
            file = SessionFile(tmp_path, SERVER)
            file.save(SESSION)
        finally:
            os.umask(old)
        assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
        assert stat.S_IMODE(file.path.parent.stat().st_mode) == 0o700

    def test_each_server_has_its_own_session_file(self, tmp_path: Path) -> None:
        SessionFile(tmp_path, SERVER).save(SESSION)
        assert SessionFile(tmp_path, "https://other.example.org").load() is None

    def test_damaged_session_file_counts_as_missing(self, tmp_path: Path) -> None:
        file = SessionFile(tmp_path, SERVER)
        file.save(SESSION)
        for damaged in (b"", b"{", b"\xff", b'{"username": "\xff"}', b"[" * 100_000, b'{"x":' * 100_000):
            file.path.write_bytes(damaged)
            assert file.load() is None
        (tmp_path / "server").write_bytes(b"\xff")
        assert saved_server(tmp_path) is None

    def test_unreadable_session_file_raises_a_failure(self, tmp_path: Path) -> None:
        file = SessionFile(tmp_path, SERVER)
        file.path.mkdir(parents=True)
        with pytest.raises(Failure, match=r"Can't read .* \(Is a directory\)"):
            file.load()

    def test_deleted_session_is_gone(self, tmp_path: Path) -> None:
        file = SessionFile(tmp_path, SERVER)
        file.save(SESSION)
        file.delete()
        file.delete()
        assert file.load() is None

    def test_failed_save_leaves_no_partial_file(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        file = SessionFile(tmp_path, SERVER)
        file.save(SESSION)

        def full(_: int) -> None:
            raise OSError("disk full")

        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(Failure, match=r"Can't write .* \(disk full\)"):
            file.save(SavedSession(SERVER, "alice", "other", "s2", 1.0, 1.0))
        assert file.load() == SESSION
        assert [entry.name for entry in file.path.parent.iterdir()] == [file.path.name]


class TestSavedSession:
    def test_session_repr_hides_the_token(self) -> None:
        assert "secret-token" not in repr(SESSION)

    def test_session_is_due_after_half_of_its_lifetime(self) -> None:
        assert not SESSION.is_due(949)
        assert SESSION.is_due(951)


class TestHome:
    def test_home_is_the_xdg_state_folder(self, tmp_path: Path) -> None:
        assert state_folder({"XDG_STATE_HOME": str(tmp_path)}) == tmp_path / "chatterbox"

    @pytest.mark.parametrize("value", ["", "relative/path"])
    def test_relative_xdg_state_home_is_ignored(self, value: str) -> None:
        assert state_folder({"XDG_STATE_HOME": value}) == Path.home() / ".local" / "state" / "chatterbox"
