"""The OlmMachine of the Matrix Rust SDK, in Node: installed once into a folder, run as a process."""

import fcntl
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PEER = Path(__file__).parent / "peer"
CACHE = Path(__file__).parents[1] / ".cache/olm_machine"
INSTALL_S = 180


class NotInstalledError(Exception):
    """The peer can't run on this machine; the message gives the reason."""


class PeerError(Exception):
    """The peer refused an operation."""


class OlmMachine:
    """Asks the peer; each call blocks until it answers."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def ask(self, operation: str, *arguments: Any) -> Any:
        """The result of an operation; raises `PeerError`."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([operation, arguments]) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        if "error" in answer:
            raise PeerError(f"{operation}: {answer['error']}")
        return answer["result"]


def install(cache: Path = CACHE) -> Path:
    """Install the peer as its lock file pins it, unless it is there; returns its folder. Raises `NotInstalledError`."""
    if shutil.which("npm") is None or shutil.which("node") is None:
        raise NotInstalledError("no `node` and `npm` here")
    cache.parent.mkdir(parents=True, exist_ok=True)
    with (cache.parent / f"{cache.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _install(cache)
    return cache


def _install(cache: Path) -> None:
    files = [PEER / name for name in ("package.json", "package-lock.json")]
    stamp, wanted = cache / "installed", "".join(path.read_text() for path in files)
    if not stamp.is_file() or stamp.read_text() != wanted:
        shutil.rmtree(cache, ignore_errors=True)
        cache.mkdir()
        for path in files:
            shutil.copy(path, cache)
        _npm(cache, "ci", "--ignore-scripts")
        stamp.write_text(wanted)
    shutil.copy(PEER / "olm_machine.mjs", cache)


def _npm(folder: Path, *arguments: str) -> None:
    quiet = ["--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error"]
    try:
        done = subprocess.run(
            ["npm", *arguments, *quiet], cwd=folder, capture_output=True, text=True, timeout=INSTALL_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as problem:
        raise NotInstalledError(type(problem).__name__) from problem
    if done.returncode:
        raise NotInstalledError(f"npm ended with status {done.returncode}")


@contextmanager
def running(folder: Path) -> Iterator[OlmMachine]:
    """Run the peer from the folder where it is installed."""
    process = subprocess.Popen(
        ["node", "olm_machine.mjs"],
        cwd=folder, env=dict(os.environ), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        yield OlmMachine(process)
    finally:
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                stream.close()
