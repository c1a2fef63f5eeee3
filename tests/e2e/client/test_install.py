"""`pip install .`, as pipx does it, installs the client alone in its own environment, with its manual page."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import httpx
import pytest

from tests.e2e.client.people import ROOT


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new environment with the client installed, without a network: it links the packages that these tests run on."""
    folder = tmp_path_factory.mktemp("installed")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    site = next(folder.glob("lib/python*/site-packages"))
    ours = Path(httpx.__file__).parents[1]
    for name in set(needed()):
        (site / name).symlink_to(ours / name)
    built = tmp_path_factory.mktemp("built")
    _pip("wheel", "--no-deps", "--no-build-isolation", f"--wheel-dir={built}", str(ROOT))
    (wheel,) = built.iterdir()
    _pip(f"--python={folder / 'bin' / 'python'}", "install", "--no-index", "--no-deps", str(wheel))
    return folder


def needed() -> Iterator[str]:
    """The entries that the client's requirements have in site-packages, without those of the services."""
    for name in re.findall(r"^([\w.-]+)==", (ROOT / "requirements" / "client.txt").read_text(), re.MULTILINE):
        with suppress(PackageNotFoundError):
            tops = {file.parts[0] for file in distribution(name).files or ()}
            yield from tops - {"..", "__pycache__"}


def _pip(*arguments: str) -> None:
    done = subprocess.run([sys.executable, "-m", "pip", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def run(installed: Path, *arguments: str) -> str:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("CHATTERBOX_", "PYTHON"))}
    kept["XDG_STATE_HOME"] = str(installed / "state")
    command = [str(installed / "bin" / "chatterbox"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=kept, check=False, cwd=installed)
    assert "Traceback" not in done.stderr, done.stderr
    return done.stdout + done.stderr


def test_commands_of_an_installed_client_work(installed: Path) -> None:
    assert "register alice" in run(installed, "--help")
    assert run(installed, "man").startswith(".TH CHATTERBOX 1")
    assert run(installed, "completion", "zsh").startswith("#compdef chatterbox")
    assert "not logged in" in run(installed, "--server", "http://127.0.0.1:9", "chat")
    assert "connection refused" in run(installed, "doctor", "http://127.0.0.1:9")


def test_manual_page_is_installed_where_man_looks(installed: Path) -> None:
    page = installed / "share" / "man" / "man1" / "chatterbox.1"
    assert page.read_text() == (ROOT / "docs" / "chatterbox.1").read_text()


def test_installed_client_imports_all_its_modules_without_the_services(installed: Path) -> None:
    site = next(installed.glob("lib/python*/site-packages"))
    assert not (site / "services").exists()
    assert not (site / "chatterbox" / "chassis").exists()
    assert not {"fastapi", "uvicorn", "redis", "aiosqlite", "jwt"} & {path.name for path in site.iterdir()}
    imports_all = (
        "import pkgutil, client\n"
        "for module in pkgutil.walk_packages(client.__path__, 'client.'):\n"
        "    if module.name != 'client.__main__': __import__(module.name)\n"
    )
    python = [str(installed / "bin" / "python"), "-I", "-c", imports_all]
    done = subprocess.run(python, capture_output=True, text=True, check=False, cwd=installed)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(shutil.which("man") is None, reason="there is no man here")
def test_man_shows_the_installed_manual_page(installed: Path) -> None:
    environ = os.environ | {"MANPATH": str(installed / "share" / "man"), "MANPAGER": "cat", "LC_ALL": "C.UTF-8"}
    done = subprocess.run(["man", "chatterbox"], capture_output=True, text=True, env=environ, check=False)
    assert "chatterbox send ops -" in done.stdout
