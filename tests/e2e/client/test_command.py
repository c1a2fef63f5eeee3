"""A command that these tests fork behaves, for its caller, like a started one."""

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from client.failures import ExitCode
from tests.e2e.client.people import Person, Server, people
from tests.support.command import Command, Running, run
from tests.support.program import ROOT

PIPES: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
Start = Callable[[tuple[str, ...], Mapping[str, str]], Running]


def forked(arguments: tuple[str, ...], environment: Mapping[str, str]) -> Running:
    return Command(arguments, environment, **PIPES)


def started(arguments: tuple[str, ...], environment: Mapping[str, str]) -> Running:
    command = [sys.executable, "-m", "client", *arguments]
    return subprocess.Popen(command, env=environment, cwd=ROOT, text=True, **PIPES)


def told(start: Start, environment: Mapping[str, str], *arguments: str) -> tuple[int, str, str]:
    process = start(arguments, environment)
    out, err = process.communicate("", timeout=60)
    return process.wait(60), out, err


@pytest.fixture(scope="module")
def alice(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Person]:
    """One user at one server: these tests are about processes."""
    folder = tmp_path_factory.mktemp("site")
    server = Server(folder / "data")
    server.start()
    try:
        with people(folder, server.url, "alice") as (alice,):
            yield alice
    finally:
        server.kill()


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["nonsense"], ["send", "general", "x"], ["config"]])
def test_forked_command_prints_and_returns_what_a_started_one_does(alice: Person, arguments: list[str]) -> None:
    nobody = alice.environment | {"XDG_STATE_HOME": "/nowhere"}
    assert told(forked, nobody, *arguments) == told(started, nobody, *arguments)


@pytest.mark.parametrize("start", [forked, started])
@pytest.mark.parametrize(
    ("number", "status"),
    [(signal.SIGKILL, -signal.SIGKILL), (signal.SIGINT, ExitCode.INTERRUPTED)],
    ids=["KILL", "INT"],
)
def test_signal_ends_a_forked_command_like_a_started_one(
    alice: Person, start: Start, number: signal.Signals, status: int
) -> None:
    process = start(("tail", "general", "--json"), alice.environment)
    alice.run("send", "general", "it runs")
    assert process.stdout is not None
    assert "it runs" in process.stdout.readline()
    assert process.poll() is None
    process.send_signal(number)
    assert process.wait(60) == status
    process.communicate("", timeout=60)


def test_command_is_started_if_a_variable_counts_before_python_starts(alice: Person) -> None:
    for more, is_forked in (({}, True), ({"PYTHONUTF8": "0"}, False)):
        process = run(["--help"], alice.environment | more, **PIPES)
        assert isinstance(process, Command) == is_forked
        process.communicate("", timeout=60)


def test_waiting_for_a_running_command_times_out(alice: Person) -> None:
    process = alice.start("tail", "general")
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.2)
    process.kill()
    assert process.wait(60) == -signal.SIGKILL
