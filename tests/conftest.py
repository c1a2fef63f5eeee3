"""For every test: asyncio, as the services run, a Ctrl-C that means something, and a word on what was skipped."""

import signal

import pytest

from tests.support.engine import LACKS

# A shell starts background jobs with SIGINT ignored, and every process started from here would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say in one line each what did not run, and why."""
    lacks = terminalreporter.config.stash.get(LACKS, None)
    for lack in sorted(lacks or ()):
        terminalreporter.write_line(f"skipped: {lack}")
