"""The command `chatterbox` as a process of its own, forked from one that has imported what it needs.

Importing the client takes most of the time of a short command, and these tests start hundreds.
"""

import atexit
import contextlib
import io
import locale
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Mapping
from multiprocessing.reduction import DupFd
from pathlib import Path
from typing import IO, Any, Protocol

from tests.support.program import ROOT, Fork

PIPES = ("stdin", "stdout", "stderr")
BEFORE_PYTHON = ("PYTHON", "LC_", "LANG", "TEXTUAL", "LD_")
"""Prefixes of variables that take effect while Python or a library is loaded: too early for a fork."""


class Running(Protocol):
    """What `Command` and `subprocess.Popen` have in common."""

    stdin: IO[str] | None
    stdout: IO[str] | None
    stderr: IO[str] | None

    @property
    def pid(self) -> int: ...
    @property
    def returncode(self) -> int | None: ...
    def poll(self) -> int | None: ...
    def wait(self, timeout: float | None = None) -> int: ...
    def communicate(self, input: str | None = None, timeout: float | None = None) -> tuple[str, str]: ...  # noqa: A002
    def send_signal(self, sig: int) -> None: ...
    def terminate(self) -> None: ...
    def kill(self) -> None: ...


def run(arguments: Iterable[str], environment: Mapping[str, str], **pipes: Any) -> Running:
    """Start `chatterbox ARGUMENTS` with exactly this environment; `pipes` are as for `subprocess.Popen`."""
    changed = {name for name in {*environment, *os.environ} if environment.get(name) != os.environ.get(name)}
    if {*pipes} <= {*PIPES} and not any(name.startswith(BEFORE_PYTHON) for name in changed):
        return Command(tuple(arguments), environment, **pipes)
    command = [sys.executable, "-m", "client", *arguments]
    return subprocess.Popen(command, env=environment, cwd=ROOT, text=True, **pipes)


class Command:
    """A forked command."""

    def __init__(self, arguments: tuple[str, ...], environment: Mapping[str, str], **pipes: Any) -> None:
        self.args = arguments
        self.stdin: IO[str] | None = None
        self.stdout: IO[str] | None = None
        self.stderr: IO[str] | None = None
        with contextlib.ExitStack() as theirs:
            ends = [_Inherited(self._end(name, pipes.get(name), theirs)) for name in PIPES]
            self._fork = Fork(_become, arguments, dict(environment), ends)
        self.pid = self._fork.pid

    def _end(self, name: str, given: Any, theirs: contextlib.ExitStack) -> int:
        """The descriptor for the command; the other end of a pipe is kept here."""
        if given is None:
            return PIPES.index(name)
        if given == subprocess.PIPE:
            reading, writing = os.pipe()
            own, its, mode = (writing, reading, "w") if name == "stdin" else (reading, writing, "r")
            theirs.callback(os.close, its)
            setattr(self, name, open(own, mode, encoding="utf-8"))  # noqa: SIM115, PTH123
            return its
        return given if isinstance(given, int) else int(given.fileno())

    @property
    def returncode(self) -> int | None:
        return self._fork.returncode

    def poll(self) -> int | None:
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        try:
            return self._fork.wait(timeout)
        except TimeoutError:
            raise subprocess.TimeoutExpired(self.args, timeout or 0) from None

    def communicate(self, input: str | None = None, timeout: float | None = None) -> tuple[str, str]:  # noqa: A002
        """Write `input` to the command, read its output, and wait for its end."""
        until = None if timeout is None else time.monotonic() + timeout
        readers = [_Reader(stream) for stream in (self.stdout, self.stderr)]
        if self.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self.stdin.write(input or "")
            with contextlib.suppress(BrokenPipeError):
                self.stdin.close()
        out, err = (reader.ends(None if until is None else until - time.monotonic()) for reader in readers)
        if out is None or err is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0)
        self.wait(None if until is None else max(0, until - time.monotonic()))
        return out, err

    def send_signal(self, sig: int) -> None:
        self._fork.send_signal(signal.Signals(sig))

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


class _Reader(threading.Thread):
    """Reads a stream to its end, and closes it."""

    def __init__(self, stream: IO[str] | None) -> None:
        super().__init__(daemon=True)
        self._stream = stream
        self._text = ""
        self.start()

    def run(self) -> None:
        if self._stream is not None and not self._stream.closed:
            self._text = self._stream.read()
            self._stream.close()

    def ends(self, within_s: float | None) -> str | None:
        """The text read; None if the stream does not end in time."""
        self.join(within_s)
        return None if self.is_alive() else self._text


class _Inherited:
    """A descriptor to pass to the process that is being forked."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    def __getstate__(self) -> Any:
        return DupFd(self.descriptor)

    def __setstate__(self, state: Any) -> None:
        self.descriptor = state.detach()


def _become(arguments: tuple[str, ...], environment: dict[str, str], ends: list[_Inherited]) -> None:
    for target, end in enumerate(ends):
        os.dup2(end.descriptor, target)
    for end in ends:
        if end.descriptor > 2:
            os.close(end.descriptor)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    os.chdir(ROOT)
    sys.stdin = sys.__stdin__ = _read(0)  # type: ignore[misc]
    sys.stdout = sys.__stdout__ = _written(1, "strict")  # type: ignore[misc]
    sys.stderr = sys.__stderr__ = _written(2, "backslashreplace")  # type: ignore[misc]
    sys.argv = [str(Path("client", "__main__.py")), *arguments]
    from client.__main__ import main

    try:
        status = main()
    finally:
        atexit._run_exitfuncs()
    sys.exit(status)


def _read(descriptor: int) -> io.TextIOWrapper:
    return open(descriptor, encoding=locale.getpreferredencoding(False), closefd=False)


def _written(descriptor: int, errors: str) -> io.TextIOWrapper:
    """An output stream as Python creates it at startup: flushed per line on a terminal, and always for errors."""
    by_line = 1 if descriptor == 2 or os.isatty(descriptor) else -1
    encoding = locale.getpreferredencoding(False)
    return open(descriptor, "w", by_line, encoding=encoding, errors=errors, closefd=False)
