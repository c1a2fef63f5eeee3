"""One deployment in containers for all tests of this folder; without an engine they are skipped, with one reason."""

import os
from collections.abc import Iterator
from unittest.mock import patch

import pytest

from tests.support.stack import Stack, deployed, why_no_engine

GATEWAYS = 2


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    if (lack := why_no_engine()) is not None:
        pytest.skip(f"containers: {lack}")
    with (
        patch.dict(os.environ, {"TESTCONTAINERS_RYUK_DISABLED": "true"}),
        deployed(tmp_path_factory.mktemp("stack"), GATEWAYS) as stack,
    ):
        yield stack
