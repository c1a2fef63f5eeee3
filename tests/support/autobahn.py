"""The Autobahn test suite, which runs on Python 2.7 only: found, installed once into a folder, run as a process."""

import asyncio
import functools
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

SUITE = "autobahntestsuite==25.10.1"
VIRTUALENV = "virtualenv==20.15.1"
"""The last version that creates environments for Python 2.7."""
AGENT = "chatterbox"


class NotInstalledError(Exception):
    """The suite can't be installed on this machine; the message gives the reason."""


@functools.cache
def python27() -> Path | None:
    """A Python 2.7: the one that CHATTERBOX_PYTHON27 names, pyenv's, or the one on the PATH."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    named = os.environ.get("CHATTERBOX_PYTHON27") or shutil.which("python2.7")
    found = [Path(named)] if named else []
    found += sorted(pyenv.glob("versions/2.7*/bin/python2.7"))
    return next((python for python in found if _is_27(python)), None)


def _is_27(python: Path) -> bool:
    try:
        answer = subprocess.run([python, "-V"], check=False, capture_output=True, text=True, timeout=10)
    except OSError:
        return False
    return "Python 2.7" in answer.stdout + answer.stderr


def install(python: Path, cache: Path) -> Path:
    """Install the suite into `cache` unless it is there; returns its command. Raises `NotInstalledError`."""
    command, done = cache / "venv/bin/wstest", cache / "installed"
    if done.is_file() and done.read_text() == SUITE:
        return command
    shutil.rmtree(cache, ignore_errors=True)
    cache.mkdir(parents=True)
    _run(python, "-m", "pip", "install", "--quiet", "--target", cache / "tools", VIRTUALENV)
    tools = {**os.environ, "PYTHONPATH": str(cache / "tools")}
    _run(python, "-m", "virtualenv", "--quiet", "--python", python, cache / "venv", env=tools)
    _run(cache / "venv/bin/pip", "install", "--quiet", SUITE)
    done.write_text(SUITE)
    return command


def _run(*command: str | Path, env: dict[str, str] | None = None) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=300, env=env)
    except subprocess.CalledProcessError as problem:
        raise NotInstalledError(f"{problem}: {problem.stderr[-500:]}") from problem
    except (OSError, subprocess.TimeoutExpired) as problem:
        raise NotInstalledError(str(problem)) from problem


async def run(command: Path, url: str, cases: list[str], out: Path, timeout_s: float) -> dict[str, dict[str, Any]]:
    """Let the suite play its cases against the server at `url`; returns its report, case by case."""
    servers = [{"agent": AGENT, "url": url}]
    spec = {"outdir": str(out), "servers": servers, "cases": cases, "exclude-cases": [], "exclude-agent-cases": {}}
    (out / "spec.json").write_text(json.dumps(spec))
    with (out / "log.txt").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            command, "-m", "fuzzingclient", "-s", out / "spec.json", cwd=out, stdout=log, stderr=log
        )
    try:
        await asyncio.wait_for(process.wait(), timeout_s)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    report: dict[str, dict[str, Any]] = json.loads((out / "index.json").read_text())[AGENT]
    return report
