"""For every test: asyncio as the event loop, a working Ctrl-C, and a summary of the skipped tests."""

import os
import signal
from typing import Any

import pytest

from tests.support.engine import LACKS

# A shell starts background jobs with SIGINT ignored, and every process started from here would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Workers of pytest-xdist export a terminal size although they have no terminal, as some shells do. Commands that tests
# run in terminals of other sizes would use it.
for name in ("COLUMNS", "LINES"):
    os.environ.pop(name, None)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A worker of pytest-xdist reports to its parent what it skipped."""
    output: dict[str, object] | None = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["lacks"] = sorted(session.config.stash.get(LACKS, ()))


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """A worker has ended."""
    told = frozenset(getattr(node, "workeroutput", {}).get("lacks", ()))
    node.config.stash[LACKS] = node.config.stash.get(LACKS, frozenset()) | told


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print one line for each reason why tests were skipped."""
    lacks = terminalreporter.config.stash.get(LACKS, None)
    for lack in sorted(lacks or ()):
        terminalreporter.write_line(f"skipped: {lack}")
