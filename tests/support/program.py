"""Starts a service as its own process, like `python -m services.…` but in a fraction of the time.

Imports take most of the time of a start. So a service is forked from a process that has imported everything, unless
something must be set before Python starts (LD_PRELOAD).
"""

import contextlib
import importlib
import multiprocessing.connection
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

ROOT = Path(__file__).parents[2]
SERVICES = ("services.allinone", "services.auth", "services.gateway", "services.history")

_forks = multiprocessing.get_context("forkserver")
_forks.set_forkserver_preload(  # pytest: each fork imports this process's main module
    ["pytest", *(f"{name}.__main__" for name in SERVICES), "tests.support.client_modules"]
)


class Program(Protocol):
    """A process started by this module; it ends with this process."""

    @property
    def pid(self) -> int: ...
    @property
    def returncode(self) -> int | None:
        """As in `subprocess`: negative if a signal ended it, None while it runs."""

    def send_signal(self, number: signal.Signals, /) -> None:
        """Does nothing if the process has ended."""

    def wait(self, timeout_s: float, /) -> int:
        """Wait until it has ended; returns the exit status, or raises `TimeoutError`."""


def start(
    module: str,
    *arguments: str,
    environment: Mapping[str, str],
    log: Path,
    prepare: Callable[[], object] | None = None,
) -> Program:
    """Start `python -m <module>` with exactly this environment; its output is appended to `log`.

    A forked process calls `prepare`, a function of a module, before it becomes the service.
    """
    log.touch()  # so that it can be read before the process writes
    if "LD_PRELOAD" in environment:
        assert prepare is None
        return _Program([sys.executable, "-m", module, *arguments], environment, log)
    return Fork(_become, module, arguments, dict(environment), (log, log), prepare)


def run_service(
    module: str, *arguments: str, environment: Mapping[str, str], timeout_s: float = 60
) -> subprocess.CompletedProcess[str]:
    """Run `python -m <module>` with exactly this environment to its end, such as an operator's command."""
    with tempfile.TemporaryDirectory() as folder:
        ends = (Path(folder) / "out", Path(folder) / "err")
        for end in ends:
            end.touch()
        fork = Fork(_become, module, arguments, dict(environment), ends, None)
        try:
            status = fork.wait(timeout_s)
        finally:
            fork.send_signal(signal.SIGKILL)
        out, err = (end.read_text() for end in ends)
    return subprocess.CompletedProcess([module, *arguments], status, out, err)


class _Program:
    def __init__(self, command: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        with log.open("ab") as output:
            self._process = subprocess.Popen(command, env=environment, cwd=ROOT, stdout=output, stderr=output)
        self.pid = self._process.pid
        self.send_signal = self._process.send_signal

    @property
    def returncode(self) -> int | None:
        return self._process.poll()

    def wait(self, timeout_s: float) -> int:
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired as late:
            raise TimeoutError(str(late)) from None


_one_at_a_time = threading.Lock()
"""The exit status of a fork can be read once, and each start polls all forks: a second reader would get 255."""


class Fork:
    """A process that calls `target` with `arguments`; everything is imported already."""

    def __init__(self, target: Callable[..., None], *arguments: object) -> None:
        self._process = _forks.Process(target=target, args=arguments, daemon=True)
        with _one_at_a_time:
            self._process.start()
        assert self._process.pid is not None
        self.pid = self._process.pid

    @property
    def returncode(self) -> int | None:
        with _one_at_a_time:
            return self._process.exitcode

    def send_signal(self, number: signal.Signals) -> None:
        if self.returncode is None:
            with contextlib.suppress(ProcessLookupError):  # ended since
                os.kill(self.pid, number)

    def wait(self, timeout_s: float | None) -> int:
        multiprocessing.connection.wait([self._process.sentinel], timeout_s)
        if (how := self.returncode) is None:
            raise TimeoutError(f"process {self.pid} has not ended after {timeout_s:g} s")
        return how


def _become(
    module: str,
    arguments: tuple[str, ...],
    environment: dict[str, str],
    ends: tuple[Path, Path],
    prepare: Callable[[], object] | None,
) -> None:
    """`ends`: where standard output and standard error go."""
    for descriptor, path in enumerate(ends, 1):
        os.dup2(os.open(path, os.O_WRONLY | os.O_APPEND), descriptor)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(ROOT)
    sys.argv = [module, *arguments]
    if prepare is not None:
        prepare()
    importlib.import_module(f"{module}.__main__").main()
