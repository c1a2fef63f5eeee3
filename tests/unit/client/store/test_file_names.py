"""File names made of names of users, servers and profiles."""

from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatterbox.wire.text_rules import USERNAME_MAX
from client.screen.state_file import StateFile
from client.store.file_names import STEM_BYTES, named
from client.store.name_cache import NameCache, name_cache_path
from client.store.outbox import Outbox, new_entry, outbox_path
from client.store.session_file import SavedSession, SessionFile
from client.store.tail_cursors import TailCursor, cursor_folder, cursor_path

SERVER = "https://chat.example.org"
LONG_NAMES = ["山" * USERNAME_MAX, "ไ" * USERNAME_MAX, "კ" * USERNAME_MAX, "𠮷" * USERNAME_MAX, "ΐ" * USERNAME_MAX]
"""Valid usernames whose letters take two to four bytes; the last one becomes longer when its case is folded."""
LONG_SERVER = f"https://{'дом.' * 40}example.org/{'чат' * 30}"
ENCRYPTED_BYTES = 143
"""Longest file name on eCryptfs; other file systems allow 255 bytes."""


@pytest.mark.parametrize("server", [SERVER, LONG_SERVER], ids=["short-server", "long-server"])
@pytest.mark.parametrize("name", LONG_NAMES, ids=["chinese", "thai", "georgian", "four-bytes", "case-folded"])
def test_files_of_users_with_long_names_are_written_and_found_again(tmp_path: Path, server: str, name: str) -> None:
    session = SavedSession(server, name, "token", "s", expires_at=1.0, lifetime_s=1.0)
    for write in (True, False):
        file = SessionFile(tmp_path, server, profile=name)
        screen, cache = StateFile(tmp_path, server, name), NameCache(name_cache_path(tmp_path, server, name))
        with (
            Outbox(outbox_path(tmp_path, server, name)) as outbox,
            TailCursor(cursor_path(tmp_path, server, name, "x" * 64)),
        ):
            if write:
                file.save(session)
                screen.save(b"state")
                cache.learn(people=["bob"])
                cache.save()
                outbox.add([new_entry("general", "hi")])
            assert file.load() == session
            assert screen.load() == b"state"
            assert cache.names.people == ("bob",)
            assert [entry.content for entry in outbox.take_over()] == ["hi"]
    assert [path.name for path in tmp_path.rglob("*") if len(os_name(path)) > ENCRYPTED_BYTES] == []


def os_name(path: Path) -> bytes:
    return path.name.encode()


@pytest.mark.parametrize("name", ["alice", "o.b-1", "山田太郎"])
def test_short_names_stand_in_file_names_as_they_are(tmp_path: Path, name: str) -> None:
    assert outbox_path(tmp_path, SERVER, name).name == f"{quote(name)}.sqlite3"
    assert SessionFile(tmp_path, SERVER).path.name == f"{quote(SERVER, safe='')}.json"


def test_file_of_an_earlier_version_with_its_whole_name_is_found(tmp_path: Path) -> None:
    name = "山" * 20
    old = tmp_path / "outbox" / quote(SERVER, safe="") / f"{quote(name)}.sqlite3"
    assert len(old.stem) > STEM_BYTES
    with Outbox(old) as outbox:
        outbox.add([new_entry("general", "unsent")])
    assert outbox_path(tmp_path, SERVER, name) == old
    folder = cursor_folder(tmp_path, SERVER, name)
    (tmp_path / "cursors" / quote(SERVER, safe="") / quote(name)).mkdir(parents=True)
    assert folder != cursor_folder(tmp_path, SERVER, name)


@given(st.text(max_size=80), st.text(max_size=80))
def test_different_names_have_different_files(one: str, other: str) -> None:
    nowhere = Path("/nonexistent")
    paths = [named(nowhere, quote(text, safe=""), ".json") for text in (one, other)]
    assert (paths[0] == paths[1]) == (one == other)
    assert all(len(os_name(path)) <= STEM_BYTES + len(".json") for path in paths)


def test_unsent_messages_of_a_user_with_a_long_name_survive_a_restart(tmp_path: Path) -> None:
    path = outbox_path(tmp_path, SERVER, LONG_NAMES[0])
    with Outbox(path) as outbox:
        outbox.add([new_entry("general", "kept")])
    with Outbox(outbox_path(tmp_path, SERVER, LONG_NAMES[0])) as again:
        assert [entry.content for entry in again.take_over()] == ["kept"]
