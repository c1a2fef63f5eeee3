"""Production can't break what a gateway promises by a wrong setting."""

import pytest

from services.gateway.settings import GatewaySettings

SWITCHES = [name for name in GatewaySettings.model_fields if name.startswith("sabotage_")]


@pytest.mark.parametrize("switch", SWITCHES)
def test_a_switch_alone_is_refused_at_start_with_its_name_and_why(
    switch: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(f"CHATTERBOX_{switch.upper()}", "1")
    with pytest.raises(SystemExit) as ended:
        GatewaySettings.from_environment()
    assert ended.value.code == 2
    assert f"CHATTERBOX_{switch.upper()}: this breaks what is promised" in capsys.readouterr().err


@pytest.mark.parametrize("switch", SWITCHES)
def test_with_the_allowance_beside_it_a_switch_works(switch: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHATTERBOX_SABOTAGE", "1")
    assert getattr(GatewaySettings.from_environment(), switch) is False
    monkeypatch.setenv(f"CHATTERBOX_{switch.upper()}", "1")
    assert getattr(GatewaySettings.from_environment(), switch) is True
