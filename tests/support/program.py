"""A service as its own process: `python -m services.…`, or what is the same in a fraction of the time.

Most of a start is imports. So a service is forked from a process that has imported them all, unless something must be
there (LD_PRELOAD) or taken away before Python begins.
"""

import contextlib
import importlib
import multiprocessing.connection
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

ROOT = Path(__file__).parents[2]
SERVICES = ("services.allinone", "services.auth", "services.gateway", "services.history")

_forks = multiprocessing.get_context("forkserver")
_forks.set_forkserver_preload(  # pytest: each fork loads what started us, too
    ["pytest", *(f"{name}.__main__" for name in SERVICES), "tests.support.client_modules"]
)


class Program(Protocol):
    """A process that was started here; none outlives this one by much."""

    @property
    def pid(self) -> int: ...
    @property
    def returncode(self) -> int | None:
        """As `subprocess` has it: minus the signal that ended it; None while it runs."""

    def send_signal(self, number: signal.Signals, /) -> None:
        """Does nothing where it has ended."""

    def wait(self, timeout_s: float, /) -> int:
        """Wait until it has ended; returns how, or raises `TimeoutError`."""


def start(
    module: str, *arguments: str, environment: Mapping[str, str], log: Path, under: Sequence[str] = ()
) -> Program:
    """Start `python -m <module>`; `environment` is all that it gets, what it says is appended to `log`.

    `under` is a command that starts another, if it needs one.
    """
    log.touch()  # whoever waits for what it says may look at once
    if under or "LD_PRELOAD" in environment:
        return _Program([*under, sys.executable, "-m", module, *arguments], environment, log)
    return Fork(_become, module, arguments, dict(environment), log)


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
"""How a fork ended can be read once. Each start looks how all others are, and who reads second is told 255."""


class Fork:
    """A process that calls `target` with `arguments`, without the imports that it would begin with."""

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


def _become(module: str, arguments: tuple[str, ...], environment: dict[str, str], log: Path) -> None:
    output = os.open(log, os.O_WRONLY | os.O_APPEND)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(ROOT)
    sys.argv = [module, *arguments]
    importlib.import_module(f"{module}.__main__").main()
