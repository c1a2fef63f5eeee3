"""The HTTP API conforms to its OpenAPI reference for generated requests (schemathesis, all checks)."""

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

HIGH_LIMITS = {
    "CHATTERBOX_REGISTRATIONS_BURST": "1000000",
    "CHATTERBOX_ADDRESS_LOGINS_BURST": "1000000",
    "CHATTERBOX_SESSIONS_PER_USER": "1000000",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """A separate process, since the fuzzer calls it synchronously."""
    process = Process(tmp_path_factory.mktemp("api") / "data", **HIGH_LIMITS)
    with contextlib.closing(asyncio.new_event_loop()) as loop:
        loop.run_until_complete(process.start())
        users.url = process.url
        try:
            yield process
        finally:
            loop.run_until_complete(process.kill())


class Users:
    """A new user every 20 calls and a new session per call, because some calls end the session."""

    def __init__(self) -> None:
        self.url = ""
        self._calls = count()

    def token(self) -> str:
        call = next(self._calls)
        credentials = {"username": f"fuzz{call // 20}", "password": PASSWORD}
        if call % 20 == 0:
            httpx.post(f"{self.url}/register", json=credentials, trust_env=False, verify=NO_TLS).raise_for_status()
        return str(
            httpx.post(f"{self.url}/login", json=credentials, trust_env=False, verify=NO_TLS)
            .raise_for_status()
            .json()["token"]
        )


users = Users()
# JSON Schema can't express the rules for names and passwords: a value that fits the schema may get a 422. Nor can it
# those for bytes: any may be refused as a picture (415). Tus has statuses of its own for its headers (400, 412, 415).
ACCEPTED = ["2xx", "3xx", "400", "401", "403", "404", "409", "412", "415", "422", "429", "5xx"]
REJECTED = ["400", "401", "403", "404", "405", "406", "409", "412", "413", "415", "422", "428", "429", "5xx"]
# GET there is the profile of a user who is named so: OpenAPI documents it with `/people/{username}`.
ALSO_A_NAME = {"include-path": "/people/query", "checks": {"allow_header_conformance": {"enabled": False}}}
CONFIG = SchemathesisConfig.from_dict(
    {
        "checks": {
            "positive_data_acceptance": {"expected-statuses": ACCEPTED},
            "negative_data_rejection": {"expected-statuses": REJECTED},
            "missing_required_header": {"expected-statuses": ["400", "401", "403", "406", "412", "415", "422"]},
        },
        "operations": [ALSO_A_NAME],
    }
)
schemathesis.serializer.alias("application/offset+octet-stream", "application/octet-stream")
DOCUMENT: dict[str, Any] = create_all(settings_for(Path("unused"))).app.openapi()
schema = schemathesis.openapi.from_dict(
    DOCUMENT | {"servers": [{"url": "/"}]},  # Schemathesis does not resolve a relative server
    config=CONFIG,
)


@schema.parametrize()
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_response_matches_the_api_reference(case: Case[Any], server: Process) -> None:
    headers = {"Authorization": f"Bearer {users.token()}"} if _needs_token(case) else {}
    case.call_and_validate(base_url=server.url, headers=headers)


def _needs_token(case: Case[Any]) -> bool:
    return bool(case.operation.definition.raw.get("security"))
