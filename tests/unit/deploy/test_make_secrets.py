"""The secrets of the containers: a key for each service, and digests of it for the services that it calls."""

import os
import runpy
import sys
from pathlib import Path

import pytest

from chatterbox.chassis.core.caller_keys import CALLERS, CallerKeys, ServiceName

SCRIPT = Path(__file__).parents[3] / "deploy" / "make_secrets.py"


@pytest.fixture(autouse=True)
def _owners(monkeypatch: pytest.MonkeyPatch) -> None:
    if os.geteuid() != 0:  # only root can give files to others
        monkeypatch.setattr(os, "chown", lambda *_: None)


def made(folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Run the script; returns the content of each file."""
    monkeypatch.setattr(sys, "argv", ["make_secrets.py", str(folder)])
    runpy.run_path(str(SCRIPT), run_name="__main__")
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_each_service_gets_a_key_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = made(tmp_path, monkeypatch)
    keys = [files[f"{service}/service-key"] for service in ServiceName]
    assert len(set(keys)) == 4
    assert min(map(len, keys)) >= 32
    assert all(text.count(key) <= 1 for key in keys for text in [" ".join(files.values())])


@pytest.mark.parametrize("service", [service for service, callers in CALLERS.items() if callers])
def test_a_called_service_accepts_the_keys_of_its_callers_only(
    service: ServiceName, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = made(tmp_path, monkeypatch)
    keys = CallerKeys.parse(files[f"{service}/caller-keys"])
    for caller in ServiceName:
        header = f"Bearer {files[f'{caller}/service-key']}"
        assert keys.are_allowed(header, caller) == (caller in CALLERS[service])


def test_secrets_are_kept_at_the_next_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert made(tmp_path, monkeypatch) == made(tmp_path, monkeypatch)


def test_a_deleted_key_is_replaced_with_its_digests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = made(tmp_path, monkeypatch)
    (tmp_path / "gateway" / "service-key").unlink()
    after = made(tmp_path, monkeypatch)
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"gateway/service-key", "auth/caller-keys", "history/caller-keys"}


def test_the_shared_key_of_earlier_versions_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for service in ServiceName:
        (tmp_path / service).mkdir(mode=0o700)
        (tmp_path / service / "service-key").write_text("the key that all services shared")
    files = made(tmp_path, monkeypatch)
    keys = [files[f"{service}/service-key"] for service in ServiceName]
    assert len(set(keys)) == 4
    assert "the key that all services shared" not in keys
