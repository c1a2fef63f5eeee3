"""For every test: asyncio, as the services run, a Ctrl-C that means something, and a word on what was skipped."""

import os
import signal
from typing import Any

import pytest

from tests.support.engine import LACKS

# A shell starts background jobs with SIGINT ignored, and every process started from here would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Workers of pytest-xdist set the size of a terminal that is not there, as some shells do. Commands that run in
# terminals of other sizes would believe it.
for name in ("COLUMNS", "LINES"):
    os.environ.pop(name, None)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A worker of pytest-xdist tells its parent what it skipped."""
    output: dict[str, object] | None = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["lacks"] = sorted(session.config.stash.get(LACKS, ()))


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """A worker has ended."""
    told = frozenset(getattr(node, "workeroutput", {}).get("lacks", ()))
    node.config.stash[LACKS] = node.config.stash.get(LACKS, frozenset()) | told


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say in one line each what did not run, and why."""
    lacks = terminalreporter.config.stash.get(LACKS, None)
    for lack in sorted(lacks or ()):
        terminalreporter.write_line(f"skipped: {lack}")
