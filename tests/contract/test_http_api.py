"""The HTTP API does what its reference says, whatever is thrown at it (schemathesis, all checks)."""

import asyncio
import contextlib
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis import Case
from schemathesis.config import SchemathesisConfig

from services.allinone.app import create_all
from tests.support.loopback import NO_TLS
from tests.support.process import Process
from tests.support.server import PASSWORD, settings_for

GENEROUS = {"CHATTERBOX_REGISTRATIONS_BURST": "1000000", "CHATTERBOX_SESSIONS_PER_USER": "1000000"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """A process of its own: the fuzzer calls from outside."""
    process = Process(tmp_path_factory.mktemp("api") / "data", **GENEROUS)
    with contextlib.closing(asyncio.new_event_loop()) as loop:
        loop.run_until_complete(process.start())
        people.url = process.url
        try:
            yield process
        finally:
            loop.run_until_complete(process.kill())


class People:
    """Somebody new now and then, and a session of its own for each call: some calls end it."""

    def __init__(self) -> None:
        self.url = ""
        self._calls = count()

    def token(self) -> str:
        call = next(self._calls)
        who = {"username": f"fuzz{call // 20}", "password": PASSWORD}
        if call % 20 == 0:
            httpx.post(f"{self.url}/register", json=who, trust_env=False, verify=NO_TLS).raise_for_status()
        return str(
            httpx.post(f"{self.url}/login", json=who, trust_env=False, verify=NO_TLS).raise_for_status().json()["token"]
        )


people = People()
# What names and passwords may be is more than JSON Schema can say: a value that fits the schema may get a 422.
ACCEPTED = ["2xx", "3xx", "401", "403", "404", "409", "422", "429", "5xx"]
CONFIG = SchemathesisConfig.from_dict({"checks": {"positive_data_acceptance": {"expected-statuses": ACCEPTED}}})
schema = schemathesis.openapi.from_dict(
    create_all(settings_for(Path("unused"))).app.openapi(),  # type: ignore[attr-defined]
    config=CONFIG,
)


@schema.parametrize()
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_answer_is_one_that_the_reference_describes(case: Case[Any], server: Process) -> None:
    headers = {"Authorization": f"Bearer {people.token()}"} if _needs_token(case) else {}
    case.call_and_validate(base_url=server.url, headers=headers)


def _needs_token(case: Case[Any]) -> bool:
    return bool(case.operation.definition.raw.get("security"))
