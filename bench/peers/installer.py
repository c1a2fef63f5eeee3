"""Installs peers into `bench/.build`: a virtual environment or a `node_modules` folder for each set of pins."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from bench.loadgen import BUILD

INSTALL_S = 300.0
PLACE = BUILD / "peers"


class NotInstalledError(Exception):
    """A peer can't be installed here; the message is the reason."""


def from_pypi(name: str, pins: Mapping[str, str]) -> Path:
    """Return the Python of a virtual environment with these pinned distributions, created by this Python."""

    def install(folder: Path) -> None:
        _run([sys.executable, "-m", "venv", str(folder)], folder)
        wanted = [f"{each}=={version}" for each, version in pins.items()]
        pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        _run([*pip, *wanted], folder)

    return _installed(name, pins, install) / "bin" / "python"


def from_npm(name: str, pins: Mapping[str, str]) -> Path:
    """Return a folder whose `node_modules` has these pinned packages."""
    if shutil.which("npm") is None or shutil.which("node") is None:
        raise NotInstalledError("node or npm is missing (Debian, Ubuntu: apt install nodejs npm)")

    def install(folder: Path) -> None:
        package = {"name": "bench-peer", "private": True, "type": "module", "dependencies": dict(pins)}
        (folder / "package.json").write_text(json.dumps(package, indent=1))
        _run(["npm", "install", "--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error"], folder)

    return _installed(name, pins, install)


def _installed(name: str, pins: Mapping[str, str], install: Callable[[Path], None]) -> Path:
    """Return the peer's folder; reinstall when its pins or the Python version have changed."""
    folder = PLACE / name
    stamp, wanted = folder / "pins.json", json.dumps([sys.version, dict(pins)])
    if not stamp.exists() or stamp.read_text() != wanted:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        install(folder)
        stamp.write_text(wanted)
    return folder


def _run(command: Sequence[str], folder: Path) -> None:
    try:
        done = subprocess.run(
            command, cwd=folder, env=os.environ, capture_output=True, text=True, timeout=INSTALL_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise NotInstalledError(f"{command[0]} did not finish within {INSTALL_S:.0f} s") from None
    if done.returncode:
        raise NotInstalledError(f"installation failed: {_last_line(done.stderr)}")


def _last_line(text: str) -> str:
    """The last non-empty line without a URL, because it goes into the results."""
    lines = [line for line in text.splitlines() if line.strip() and "://" not in line]
    return lines[-1].strip() if lines else "no reason given"
