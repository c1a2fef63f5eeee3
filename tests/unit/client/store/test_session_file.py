"""The session on disk, and where things are kept."""

import os
import stat
from pathlib import Path

import pytest

from client.config.xdg_folders import state_folder
from client.failures import Failure
from client.store.session_file import SavedSession, SessionFile, saved_server

SERVER = "https://chat.example.org"
SESSION = SavedSession(SERVER, "alice", "secret-token", "s1", expires_at=1000.0, lifetime_s=100.0)


class TestTheFile:
    def test_gives_back_what_was_saved(self, tmp_path: Path) -> None:
        file = SessionFile(tmp_path, SERVER)
        file.save(SESSION)
        assert file.load() == SESSION
        assert saved_server(tmp_path) == SERVER

    def test_is_for_its_owners_eyes_only(self, tmp_path: Path) -> None:
        old = os.umask(0)
        try:
            file = SessionFile(tmp_path, SERVER)
            file.save(SESSION)
        finally:
            os.umask(old)
        assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
        assert stat.S_IMODE(file.path.parent.stat().st_mode) == 0o700

    def test_is_one_for_each_server(self, tmp_path: Path) -> None:
        SessionFile(tmp_path, SERVER).save(SESSION)
        assert SessionFile(tmp_path, "https://other.example.org").load() is None

    def test_that_is_damaged_counts_as_none(self, tmp_path: Path) -> None:
        file = SessionFile(tmp_path, SERVER)
        file.save(SESSION)
        for damaged in (b"", b"{", b"\xff", b'{"username": "\xff"}', b"[" * 100_000, b'{"x":' * 100_000):
            file.path.write_bytes(damaged)
            assert file.load() is None
        (tmp_path / "server").write_bytes(b"\xff")
        assert saved_server(tmp_path) is None

    def test_that_can_not_be_read_is_said(self, tmp_path: Path) -> None:
        file = SessionFile(tmp_path, SERVER)
        file.path.mkdir(parents=True)
        with pytest.raises(Failure, match=r"Can't read .* \(Is a directory\)"):
            file.load()

    def test_is_gone_after_logout(self, tmp_path: Path) -> None:
        file = SessionFile(tmp_path, SERVER)
        file.save(SESSION)
        file.delete()
        file.delete()
        assert file.load() is None

    def test_no_half_written_file_stays(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        file = SessionFile(tmp_path, SERVER)
        file.save(SESSION)

        def full(_: int) -> None:
            raise OSError("disk full")

        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(Failure, match=r"Can't write .* \(disk full\)"):
            file.save(SavedSession(SERVER, "alice", "other", "s2", 1.0, 1.0))
        assert file.load() == SESSION
        assert [entry.name for entry in file.path.parent.iterdir()] == [file.path.name]


class TestASession:
    def test_hides_its_token(self) -> None:
        assert "secret-token" not in repr(SESSION)

    def test_is_due_when_half_of_its_life_is_over(self) -> None:
        assert not SESSION.is_due(949)
        assert SESSION.is_due(951)


class TestHome:
    def test_is_the_state_folder_of_the_user(self, tmp_path: Path) -> None:
        assert state_folder({"XDG_STATE_HOME": str(tmp_path)}) == tmp_path / "chatterbox"

    @pytest.mark.parametrize("value", ["", "relative/path"])
    def test_a_relative_one_is_passed_over_as_the_specification_says(self, value: str) -> None:
        assert state_folder({"XDG_STATE_HOME": value}) == Path.home() / ".local" / "state" / "chatterbox"
