"""Production can't lose messages by a wrong setting."""

import pytest

from services.history.sabotage import Sabotage
from services.history.settings import HistorySettings

SWITCHES = [("SYNCHRONOUS", "NORMAL"), ("SYNCHRONOUS", "OFF"), ("ACK_BEFORE_COMMIT", "1")]
SWITCHES += [("PUBLISH_BEFORE_COMMIT", "1"), ("FORGET_KEYS", "1")]


@pytest.mark.parametrize(("switch", "value"), SWITCHES)
def test_a_switch_alone_is_refused_at_start_with_its_name_and_why(
    switch: str, value: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(f"CHATTERBOX_SABOTAGE_{switch}", value)
    with pytest.raises(SystemExit) as ended:
        HistorySettings.from_environment()
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert f"CHATTERBOX_SABOTAGE_{switch}: this loses or doubles messages" in said


@pytest.mark.parametrize(("switch", "value"), SWITCHES)
def test_with_the_allowance_beside_it_a_switch_works(switch: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHATTERBOX_SABOTAGE", "1")
    monkeypatch.setenv(f"CHATTERBOX_SABOTAGE_{switch}", value)
    settings = HistorySettings.from_environment()
    assert str(getattr(settings, f"sabotage_{switch.lower()}")) in {value, "True"}


def test_the_allowance_alone_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHATTERBOX_SABOTAGE", "1")
    settings = HistorySettings.from_environment()
    assert (settings.sabotage_synchronous, settings.of_the_writer()) == ("FULL", Sabotage())
