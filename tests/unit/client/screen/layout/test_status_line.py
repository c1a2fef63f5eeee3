"""The status line: what it says first, and what it leaves out."""

import pytest

from client.screen.layout.status_line import parts
from client.screen.model.connection_status import ConnectionStatus


class TestTheStatusLine:
    def test_says_how_much_is_to_come(self) -> None:
        said = parts(
            ConnectionStatus(live=True, replica="g1", lag_ms=4, username="ada"), catch_up=132, below=0, elsewhere=0
        )
        assert said == ["catching up, 132 to go", "4 ms", "g1", "ada"]

    def test_says_since_when_the_server_is_silent_and_not_how_fast_it_was(self) -> None:
        line = ConnectionStatus(live=True, lag_ms=8, silent_s=8.2, unsent=2)
        assert parts(line, catch_up=0, below=0, elsewhere=0) == ["connected", "no answer for 8 s", "2 unsent"]

    def test_says_when_it_tries_again(self) -> None:
        assert parts(ConnectionStatus("offline: cut", unsent=2), catch_up=0, below=0, elsewhere=0, retry_in_s=2.6) == [
            "offline: cut, next try in 3 s",
            "2 unsent",
        ]

    @pytest.mark.parametrize(
        ("replica", "name"), [("58dc26a00793:8000", "58dc26a00793"), ("mill:8012", "mill:8012"), ("mill", "mill")]
    )
    def test_names_the_gateway_by_its_host_and_by_its_port_if_that_tells_something(
        self, replica: str, name: str
    ) -> None:
        said = parts(
            ConnectionStatus(live=True, replica=f"chatterbox/0.1.0 {replica}"), catch_up=0, below=0, elsewhere=0
        )
        assert said == ["connected", name]
