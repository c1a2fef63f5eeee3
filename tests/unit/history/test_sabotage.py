"""Production can't lose messages by a wrong setting."""

import pytest

from services.history.settings import HistorySettings

SWITCHES = [("SYNCHRONOUS", "NORMAL"), ("SYNCHRONOUS", "OFF"), ("ACK_BEFORE_COMMIT", "1")]


@pytest.mark.parametrize(("switch", "value"), SWITCHES)
def test_a_switch_alone_is_refused_at_start_with_its_name_and_why(
    switch: str, value: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(f"CHATTERBOX_SABOTAGE_{switch}", value)
    with pytest.raises(SystemExit) as ended:
        HistorySettings.from_environment()
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert f"CHATTERBOX_SABOTAGE_{switch}: this loses acknowledged messages" in said


@pytest.mark.parametrize(("switch", "value"), SWITCHES)
def test_with_the_allowance_beside_it_a_switch_works(switch: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHATTERBOX_SABOTAGE", "1")
    monkeypatch.setenv(f"CHATTERBOX_SABOTAGE_{switch}", value)
    settings = HistorySettings.from_environment()
    assert settings.sabotage_synchronous == value or settings.sabotage_ack_before_commit


def test_the_allowance_alone_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHATTERBOX_SABOTAGE", "1")
    settings = HistorySettings.from_environment()
    assert (settings.sabotage_synchronous, settings.sabotage_ack_before_commit) == ("FULL", False)
