"""Settings from environment variables and secret files."""

import os
from pathlib import Path

import msgspec
import pytest
from pydantic import ValidationError

from chatterbox.chassis.broker import MemoryBroker
from chatterbox.chassis.operator_errors import OperatorError
from chatterbox.chassis.settings import Environment, LimitSettings, Settings
from chatterbox.chassis.standalone import broker_for
from chatterbox.wire.limits import Limits
from services.gateway.settings import GatewaySettings
from services.history.settings import HistorySettings

INVALID_URLS = ["", "localhost:8001", "127.0.0.1", "http://", "ftp://auth", "http://auth:port", "http://auth/internal"]


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("CHATTERBOX_")]:
        monkeypatch.delenv(name)


class TestInvalidValue:
    @pytest.mark.parametrize(
        ("settings", "variable", "value"),
        [
            (Settings, "CHATTERBOX_PORT", "http"),
            (Settings, "CHATTERBOX_PORT", "65536"),
            (Settings, "CHATTERBOX_PORT", "-1"),
            (Settings, "CHATTERBOX_PORT", ""),
            (Settings, "CHATTERBOX_LOG_LEVEL", "loud"),
            (Settings, "CHATTERBOX_LOG_JSON", "perhaps"),
            (Settings, "CHATTERBOX_DRAIN_S", "soon"),
            (Settings, "CHATTERBOX_DRAIN_S", "-1"),
            (Settings, "CHATTERBOX_SERVICE_KEY", "tooshort"),
            (Settings, "CHATTERBOX_SERVICE_KEY", "ключ" * 8),
            *((GatewaySettings, "CHATTERBOX_AUTH_URL", url) for url in INVALID_URLS),
            *((HistorySettings, "CHATTERBOX_AUTH_URL", url) for url in INVALID_URLS),
            (GatewaySettings, "CHATTERBOX_HISTORY_URL", "history:8000"),
            (GatewaySettings, "CHATTERBOX_PING_S", "0"),
            (GatewaySettings, "CHATTERBOX_PING_S", "nan"),
            (GatewaySettings, "CHATTERBOX_STALLED_S", "0"),
            (LimitSettings, "CHATTERBOX_SENDS_PER_S", "0"),
            (LimitSettings, "CHATTERBOX_SENDS_PER_S", "nan"),
            (LimitSettings, "CHATTERBOX_SENDS_PER_S", "inf"),
            (LimitSettings, "CHATTERBOX_SENDS_BURST", "9007199254740992"),
            (LimitSettings, "CHATTERBOX_CONNECTIONS_PER_USER", "0"),
        ],
    )
    def test_an_invalid_value_exits_with_status_2_and_names_the_variable(
        self,
        settings: type[Environment],
        variable: str,
        value: str,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        monkeypatch.setenv(variable, value)
        with pytest.raises(SystemExit) as exited:
            settings.from_environment()
        assert exited.value.code == 2
        output = capsys.readouterr().err
        assert output.startswith(f"chatterbox: {variable}: ")
        assert output.count("\n") == 1
        assert "Traceback" not in output

    def test_an_invalid_secret_is_not_printed(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setenv("CHATTERBOX_SERVICE_KEY", "tooshort")
        with pytest.raises(SystemExit):
            Settings.from_environment()
        assert "tooshort" not in capsys.readouterr().err

    def test_all_invalid_values_are_reported(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setenv("CHATTERBOX_PORT", "x")
        monkeypatch.setenv("CHATTERBOX_DRAIN_S", "x")
        with pytest.raises(SystemExit):
            Settings.from_environment()
        output = capsys.readouterr().err
        assert "CHATTERBOX_PORT" in output
        assert "CHATTERBOX_DRAIN_S" in output


def test_an_empty_environment_gives_the_defaults() -> None:
    settings = Settings.from_environment()
    assert (settings.host, settings.port, settings.data) == ("127.0.0.1", 8000, Path("data"))
    assert LimitSettings.from_environment().limits() == Limits()


def test_the_environment_sets_values_of_every_type(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "PORT": "0",
        "LOG_JSON": "true",
        "DRAIN_S": "0.5",
        "DATA": "/srv/x",
        "SENDS_BURST": "7",
    }.items():
        monkeypatch.setenv(f"CHATTERBOX_{name}", value)
    settings = Settings.from_environment()
    assert (settings.port, settings.log_json, settings.drain_s, settings.data) == (0, True, 0.5, Path("/srv/x"))
    assert LimitSettings.from_environment().limits() == msgspec.structs.replace(Limits(), sends_burst=7)


def test_settings_are_frozen_and_hide_secrets_in_repr(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHATTERBOX_SERVICE_KEY", "s" * 32)
    settings = Settings.from_environment()
    with pytest.raises(ValidationError):
        settings.port = 1  # type: ignore[misc]
    assert "sss" not in repr(settings)


class TestSecretFiles:
    def test_secret_files_are_read_without_the_trailing_newline(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "key").write_text("k" * 32 + "\n")
        (tmp_path / "url").write_text("redis://user:secret@redis:6379\n")
        monkeypatch.setenv("CHATTERBOX_SERVICE_KEY_FILE", str(tmp_path / "key"))
        monkeypatch.setenv("CHATTERBOX_REDIS_URL_FILE", str(tmp_path / "url"))
        settings = Settings.from_environment()
        assert settings.own_key() == "k" * 32
        assert settings.redis() == "redis://user:secret@redis:6379"

    def test_secrets_in_the_environment_override_files(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("CHATTERBOX_SERVICE_KEY", "s" * 32)
        monkeypatch.setenv("CHATTERBOX_SERVICE_KEY_FILE", str(tmp_path / "none"))
        assert Settings.from_environment().own_key() == "s" * 32

    @pytest.mark.parametrize(
        ("content", "reason"), [(None, "SERVICE_KEY_FILE"), (b"short", "32"), (b"\xff" * 32, "text")]
    )
    def test_unusable_secret_files_raise_operator_error(
        self, content: bytes | None, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        if content is not None:
            (tmp_path / "key").write_bytes(content)
        monkeypatch.setenv("CHATTERBOX_SERVICE_KEY_FILE", str(tmp_path / "key"))
        with pytest.raises(OperatorError, match=reason):
            Settings.from_environment().own_key()

    def test_an_invalid_redis_url_is_not_printed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("CHATTERBOX_REDIS_URL", "http://user:secret@redis")
        settings = Settings.from_environment()
        with pytest.raises(OperatorError) as problem:
            broker_for(settings)
        assert "secret" not in repr(settings) + str(problem.value)


def test_without_a_redis_url_the_broker_is_in_memory() -> None:
    assert isinstance(broker_for(Settings.from_environment()), MemoryBroker)


def test_allowed_origins_are_split_and_trimmed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHATTERBOX_ORIGINS", " https://a.example, https://b.example:8443 ,")
    assert GatewaySettings.from_environment().allowed_origins() == {"https://a.example:443", "https://b.example:8443"}
