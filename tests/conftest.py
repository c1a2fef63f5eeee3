"""For every test: asyncio, as the services run, and a Ctrl-C that means something."""

import signal

import pytest

# A shell starts background jobs with SIGINT ignored, and every process started from here would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
