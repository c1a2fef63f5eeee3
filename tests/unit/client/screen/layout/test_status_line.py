"""The status line."""

import pytest

from client.screen.layout.status_line import parts
from client.screen.model.connection_status import ConnectionStatus


def test_status_line_counts_missed_messages_still_to_come() -> None:
    shown = parts(
        ConnectionStatus(live=True, replica="g1", lag_ms=4, username="ada"), catch_up=132, below=0, elsewhere=0
    )
    assert shown == ["catching up, 132 to go", "4 ms", "g1", "ada"]


def test_status_line_shows_silence_of_the_server_instead_of_lag() -> None:
    line = ConnectionStatus(live=True, lag_ms=8, silent_s=8.2, unsent=2)
    assert parts(line, catch_up=0, below=0, elsewhere=0) == ["connected", "no answer for 8 s", "2 unsent"]


def test_status_line_shows_the_next_attempt_to_connect() -> None:
    assert parts(
        ConnectionStatus("offline: cut", unsent=2), catch_up=0, below=0, elsewhere=0, retry_in_s=2.6, try_key="F9"
    ) == [
        "offline: cut, next try in 3 s",
        "F9 tries now",
        "2 unsent",
    ]


def test_status_line_names_no_key_to_try_when_no_attempt_is_due() -> None:
    shown = parts(ConnectionStatus("ended: logged out"), catch_up=0, below=0, elsewhere=0, try_key="F9")
    assert shown == ["ended: logged out"]


@pytest.mark.parametrize(
    ("replica", "name"), [("58dc26a00793:8000", "58dc26a00793"), ("mill:8012", "mill:8012"), ("mill", "mill")]
)
def test_status_line_names_the_gateway_without_its_default_port(replica: str, name: str) -> None:
    shown = parts(ConnectionStatus(live=True, replica=f"chatterbox/0.1.0 {replica}"), catch_up=0, below=0, elsewhere=0)
    assert shown == ["connected", name]
