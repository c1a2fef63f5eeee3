"""Completion of paths."""

from pathlib import Path

import pytest

from client.store.path_names import path_names


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("my plan.pdf", "map.png", ".hidden", "bad\x1b[2J"):
        (tmp_path / name).touch()
    (tmp_path / "music").mkdir()
    (tmp_path / "music" / "song.ogg").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("begun", "found"),
    [
        ("m", ["map.png", "music/", "my plan.pdf"]),
        ("my p", ["my plan.pdf"]),
        ("music/", ["music/song.ogg"]),
        ("~/mus", ["~/music/"]),
        (".h", [".hidden"]),
        ("", ["map.png", "music/", "my plan.pdf"]),
        ("none/x", []),
        ("map.png/", []),
        ("~nobody-of-this-name/x", []),
    ],
)
@pytest.mark.usefixtures("folder")
def test_paths_that_begin_with_what_was_typed_are_offered(begun: str, found: list[str]) -> None:
    assert path_names(begun) == found


def test_absolute_path_is_completed(folder: Path) -> None:
    assert path_names(f"{folder}/mu") == [f"{folder}/music/"]
