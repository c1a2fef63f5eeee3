import json
import sys
from pathlib import Path

import pytest

from bench.peers import installer
from bench.peers.installer import NotInstalledError, _installed, _run


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(installer, "PLACE", tmp_path)
    return tmp_path


class TestAPeer:
    def test_is_installed_once_for_its_pins(self) -> None:
        made: list[Path] = []
        for pins in ({"a": "1"}, {"a": "1"}, {"a": "2"}):
            _installed("peer", pins, made.append)
        assert len(made) == 2

    def test_is_installed_anew_after_half_an_installation(self, place: Path) -> None:
        (place / "peer").mkdir()
        _installed("peer", {}, lambda folder: (folder / "whole").touch())
        assert (place / "peer" / "whole").exists()
        assert json.loads((place / "peer" / "pins.json").read_text())[1] == {}


def test_what_can_not_be_installed_says_why_without_an_address(place: Path) -> None:
    says = "import sys; sys.exit('no such thing\\nasked https://registry.example')"
    with pytest.raises(NotInstalledError, match=r"no such thing$"):
        _run([sys.executable, "-c", says], place)
