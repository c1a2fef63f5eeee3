"""Periodic jobs of the gateway."""

from types import SimpleNamespace
from typing import Any

import pytest

from chatterbox.wire.auth_api import LEEWAY_S
from chatterbox.wire.close_codes import CloseCode
from services.gateway.maintenance import close_expired


class FakeConnection:
    """A connection whose token expires at 1000 s."""

    claims = SimpleNamespace(exp=1000)
    close_code: CloseCode | None = None

    def close(self, code: CloseCode) -> None:
        self.close_code = code


@pytest.mark.parametrize("offset_s", range(-1, LEEWAY_S + 2))
def test_a_connection_is_closed_in_the_second_in_which_its_token_is_refused(offset_s: int) -> None:
    connection = FakeConnection()
    hub: Any = SimpleNamespace(connections={connection})
    close_expired(hub, 1000.0 + offset_s)
    assert connection.close_code is (CloseCode.TOKEN_EXPIRED if offset_s >= LEEWAY_S else None)
