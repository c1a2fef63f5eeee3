"""python-olm, which has no wheels for newer Pythons: installed once into a folder of its own, run as a process."""

import fcntl
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.interop.olm_machine import PEER, NotInstalledError

CACHE = Path(__file__).parents[1] / ".cache/libolm"
WHEEL = "python-olm==3.2.16"
TIMEOUT_S = 120


def install(cache: Path = CACHE) -> Path:
    """Install python-olm unless it is there; returns a Python that has it. Raises `NotInstalledError`."""
    cache.parent.mkdir(parents=True, exist_ok=True)
    with (cache.parent / f"{cache.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        python, stamp = cache / "bin/python", cache / "installed"
        if not stamp.is_file() or stamp.read_text() != WHEEL:
            shutil.rmtree(cache, ignore_errors=True)
            _run(sys.executable, "-m", "venv", str(cache))
            _run(str(python), "-m", "pip", "install", "--quiet", "--only-binary", ":all:", WHEEL)
            stamp.write_text(WHEEL)
    return python


def _run(*command: str) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as problem:
        raise NotInstalledError(type(problem).__name__) from problem
    if done.returncode:
        raise NotInstalledError(f"no wheel of {WHEEL} for this Python, or no package registry")


def exchange(python: Path, asked: dict[str, Any]) -> dict[str, Any]:
    """Give the peer our messages; what it read, and messages of its own."""
    done = subprocess.run(
        [python, PEER / "libolm_peer.py"], input=json.dumps(asked), capture_output=True, text=True, timeout=TIMEOUT_S,
        check=True,
    )  # fmt: skip
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer
