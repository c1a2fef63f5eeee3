"""Production can't leave a gateway deaf by a wrong setting."""

import pytest

from services.gateway.settings import GatewaySettings


def test_the_switch_alone_is_refused_at_start_with_its_name_and_why(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CHATTERBOX_SABOTAGE_CANARY_OFF", "1")
    with pytest.raises(SystemExit) as ended:
        GatewaySettings.from_environment()
    assert ended.value.code == 2
    assert "CHATTERBOX_SABOTAGE_CANARY_OFF: this may leave a gateway deaf" in capsys.readouterr().err


@pytest.mark.parametrize("switch", ["", "1"])
def test_with_the_allowance_beside_it_the_switch_works(switch: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHATTERBOX_SABOTAGE", "1")
    if switch:
        monkeypatch.setenv("CHATTERBOX_SABOTAGE_CANARY_OFF", switch)
    assert GatewaySettings.from_environment().sabotage_canary_off is bool(switch)
