"""The status line: which gateway it names."""

import pytest

from client.screen.line import Line, parts


@pytest.mark.parametrize(
    ("replica", "name"), [("58dc26a00793:8000", "58dc26a00793"), ("mill:8012", "mill:8012"), ("mill", "mill")]
)
def test_names_the_gateway_by_its_host_and_by_its_port_if_that_tells_something(replica: str, name: str) -> None:
    said = parts(Line(live=True, replica=f"chatterbox/0.1.0 {replica}"), to_go=0, below=0, elsewhere=0)
    assert said == ["connected", name]
