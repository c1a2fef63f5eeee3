"""One deployment in containers for all tests of this folder; without an engine they are skipped, with one reason."""

import os
from collections.abc import Iterator
from unittest.mock import patch

import pytest

from tests.support.stack import Stack, deployed, why_no_engine

GATEWAYS = 2
_LACK = pytest.StashKey[str]()


@pytest.fixture(scope="session")
def stack(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    if (lack := why_no_engine()) is not None:
        request.config.stash[_LACK] = lack
        pytest.skip(f"containers: {lack}")
    with (
        patch.dict(os.environ, {"TESTCONTAINERS_RYUK_DISABLED": "true"}),
        deployed(tmp_path_factory.mktemp("stack"), GATEWAYS) as stack,
    ):
        yield stack


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say in one line that, and why, nothing of this ran."""
    if lack := terminalreporter.config.stash.get(_LACK, None):
        terminalreporter.write_line(f"skipped: all tests on containers: {lack}")
