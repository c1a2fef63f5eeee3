"""`pip install .`, as pipx does it: the client alone, in an environment of its own, with its manual page."""

import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.e2e.client.people import ROOT

NEEDS = ("anyio", "certifi", "h11", "httpcore", "httpx", "idna", "msgspec", "prompt_toolkit", "wcwidth", "websockets")
"""What the client stands on; `services` is installed beside it, and nothing of what that needs."""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of programs of a fresh environment, without a network: with the packages that these tests run on."""
    folder = tmp_path_factory.mktemp("installed")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    site = next(folder.glob("lib/python*/site-packages"))
    ours = Path(httpx.__file__).parents[1]
    for name in (*NEEDS, "typing_extensions.py"):
        if (ours / name).exists():
            (site / name).symlink_to(ours / name)
    built = tmp_path_factory.mktemp("built")
    _pip("wheel", "--no-deps", "--no-build-isolation", f"--wheel-dir={built}", str(ROOT))
    (wheel,) = built.iterdir()
    _pip(f"--python={folder / 'bin' / 'python'}", "install", "--no-index", "--no-deps", str(wheel))
    return folder


def _pip(*arguments: str) -> None:
    done = subprocess.run([sys.executable, "-m", "pip", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def run(installed: Path, *arguments: str) -> str:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("CHATTERBOX_", "PYTHON"))}
    command = [installed / "bin" / "chatterbox", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=kept, check=False, cwd=installed)
    assert "Traceback" not in done.stderr, done.stderr
    return done.stdout + done.stderr


def test_the_commands_work(installed: Path, tmp_path: Path) -> None:
    assert "register alice" in run(installed, "--help")
    assert run(installed, "man").startswith(".TH CHATTERBOX 1")
    assert "_chatterbox" in run(installed, "completion", "zsh")
    assert "not logged in" in run(installed, "--server", "http://127.0.0.1:9", "chat")
    assert "connection refused" in run(installed, "doctor", "http://127.0.0.1:9")


def test_the_manual_page_is_where_man_looks(installed: Path) -> None:
    page = installed / "share" / "man" / "man1" / "chatterbox.1"
    assert page.read_text() == (ROOT / "docs" / "chatterbox.1").read_text()
