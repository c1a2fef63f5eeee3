"""Runs the load generator `wsload.c`: compiles it, starts it, parses its result."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from bench.processes import spawn
from bench.subject import Dialect, Step

HERE = Path(__file__).parent
BUILD = HERE / ".build"
NO_COMPILER = (
    "bench: the load generator is written in C; install a C compiler (Debian, Ubuntu: apt install gcc libc6-dev)"
)


class LoadError(Exception):
    """The load generator failed or gave an unexpected answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """The load. `rate`: messages a second over all senders, at a fixed rate; None: each sender waits for its ack."""

    members: int
    senders: int = 0
    rooms: int = 1
    rate: float | None = None
    run_s: float = 0
    warm_s: float = 1
    size_bytes: int = 120
    """Minimum size of a message frame."""
    published: bool = False
    """No member sends: a publisher sends messages to Redis, bypassing the server's API."""
    resides: bool = False
    """Whether members are in three rooms before they connect."""
    pages: bool = False
    """Members send no messages and are no WebSockets: each asks for the newest page, again after each answer."""
    joins: bool = True
    """Whether member i joins room i modulo `rooms`, or only connects."""

    @property
    def runs(self) -> bool:
        """Whether messages are sent or published or pages are read, or members only connect."""
        return self.senders > 0 or self.published or self.pages


class Latency(msgspec.Struct, frozen=True):
    """Percentiles in milliseconds, accurate to 1.6 %."""

    p50: float
    p90: float
    p99: float
    p999: float
    max: float


class Seen(msgspec.Struct, frozen=True):
    """The load generator's result: counts of messages due within the run, and of replies that arrived in it."""

    connected: int
    failed: int
    connect_s: float
    sent: int
    acked: int
    refused: int
    acked_in_run: int
    ack_ms: Latency
    expected: int
    delivered: int
    delivered_in_run: int
    delivery_ms: Latency
    closed: int
    run_s: float
    cpu_s: float


def parse(line: str | bytes) -> Seen:
    """Parse the load generator's result; raises `LoadError` when it is malformed."""
    try:
        return msgspec.json.decode(line, type=Seen)
    except msgspec.DecodeError as problem:
        raise LoadError(f"unexpected output of the load generator: {line!r} ({problem})") from None


def arguments(load: Load, dialect: Dialect) -> list[str]:
    """The load generator's arguments."""
    steps = (*dialect.greeting, *(dialect.joining if load.joins else ()))
    words = ["--hold", *(word for port in (dialect.port, *dialect.replicas) for word in ("--port", str(port)))]
    words += ["--path", dialect.path, "--message", dialect.message]
    words += ["--members", str(load.members), "--senders", str(load.senders), "--rooms", str(load.rooms)]
    words += ["--rate", "max" if load.rate is None else f"{load.rate:g}"]
    words += ["--at-once", str(dialect.at_once), *["--heard"] * load.published]
    tokens = dialect.residents if load.resides else dialect.tokens
    words += ["--warm-s", f"{load.warm_s:g}", "--run-s", f"{load.run_s:g}", "--size", str(load.size_bytes)]
    for name, value in (("--ack", dialect.ack), ("--refusal", dialect.refusal), ("--tokens", tokens)):
        words += [name, str(value)] if value is not None else []
    for header in dialect.headers:
        words += ["--header", header]
    if dialect.ping is not None:
        words += ["--ping", dialect.ping[0], "--pong", dialect.ping[1]]
    return words + [word for step in steps for word in _step(step)] + ["--binary"] * dialect.binary


def page_command(load: Load, dialect: Dialect) -> list[str]:
    """The command that asks for pages; a server with tokens gets the first one."""
    lines = [f"GET {dialect.page} HTTP/1.1", "Host: 127.0.0.1"]
    if dialect.tokens is not None:
        token = dialect.tokens.read_text().split()[0]
        lines += [header.replace("{t}", token) for header in dialect.headers]
    times = (f"{load.warm_s:g}", f"{load.run_s:g}")
    request = "\r\n".join([*lines, "", ""])
    return [sys.executable, "-m", "bench.page_load", str(dialect.port), str(load.members), *times, request]


def _step(step: Step) -> tuple[str, str]:
    return f"--{step.kind}", step.text


def build(name: str = "wsload") -> Path:
    """Compile a C program of this folder when its source is newer; returns the program."""
    source, program = HERE / f"{name}.c", BUILD / name
    if program.exists() and program.stat().st_mtime > source.stat().st_mtime:
        return program
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        raise SystemExit(NO_COMPILER)
    BUILD.mkdir(exist_ok=True)
    done = subprocess.run(
        [compiler, "-O2", "-Wall", "-o", program, source], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise SystemExit(f"bench: {source.name} does not compile here:\n{done.stderr}")
    return program


class Generator:
    """A running load generator: wait for `ready`, call `go`, wait for `run` and `end`, read the result."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def await_word(self, word: str) -> None:
        line = self._line()
        if line != word:
            raise LoadError(f"the load generator printed {line!r} instead of {word!r}")

    def go(self) -> None:
        """Start the run."""
        stdin = self._process.stdin
        assert stdin is not None
        stdin.write(b"go\n")
        stdin.flush()

    def finish(self) -> None:
        """End without a run."""
        assert self._process.stdin is not None
        self._process.stdin.close()

    def result(self) -> Seen:
        return parse(self._line())

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().decode().strip()


@contextmanager
def generating(load: Load, dialect: Dialect, core: int | None) -> Iterator[Generator]:
    """Start a load generator, which begins to connect; it is killed at the end of the block."""
    command = page_command(load, dialect) if load.pages else [str(build()), *arguments(load, dialect)]
    with spawn(command, core, folder=HERE.parent, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            yield Generator(process)
        finally:
            process.kill()
