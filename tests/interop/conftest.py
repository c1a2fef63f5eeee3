"""The OlmMachine, installed once, and one that has met our device."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop import olm_machine
from tests.interop.meeting import Meeting
from tests.interop.olm_machine import NotInstalledError
from tests.support.engine import skip_for_lack


@pytest.fixture(scope="session")
def installed(request: pytest.FixtureRequest) -> Path:
    try:
        return olm_machine.install()
    except NotInstalledError as problem:
        skip_for_lack(request.config, f"all tests with OlmMachine: {problem}")


@pytest.fixture
def meeting(installed: Path) -> Iterator[Meeting]:
    with olm_machine.running(installed) as machine:
        yield Meeting(machine)
