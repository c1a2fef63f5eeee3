"""Periodic jobs of the gateway."""

import logging
from types import SimpleNamespace
from typing import Any

import pytest

from chatterbox.chassis.observability.rate_limited_log import RateLimitedLog
from chatterbox.wire.auth_api import LEEWAY_S
from chatterbox.wire.close_codes import CloseCode
from services.gateway.connections.slow_consumers import close_stalled
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


class StalledConnection:
    """A connection whose peer has received nothing for a minute."""

    connection_id = "c1"
    is_aborted = False

    def stalled_s(self) -> float:
        return 60.0

    def abort(self) -> None:
        self.is_aborted = True


def test_many_stalled_connections_are_all_closed_and_logged_in_one_line(caplog: pytest.LogCaptureFixture) -> None:
    connections = [StalledConnection() for _ in range(100)]
    hub: Any = SimpleNamespace(connections=set(connections))
    close_stalled(hub, 60.0, RateLimitedLog(logging.getLogger("test"), "connection.stalled"))
    assert all(connection.is_aborted for connection in connections)
    assert caplog.messages == ["connection.stalled"]
