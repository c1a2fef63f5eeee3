"""A service with missing or invalid secrets or addresses does not start, and names the setting."""

from pathlib import Path

import pytest

from tests.support.failed_starts import KEY, attempt

pytestmark = pytest.mark.parametrize("service", ["auth", "history", "gateway"])


async def _refused(service: str, folder: Path, **environment: str) -> str:
    return (await attempt(service, folder / "data", "serve", powerless=False, **environment)).sentence


async def test_a_missing_service_key_names_both_settings(tmp_path: Path, service: str) -> None:
    for environment in ({}, {"CHATTERBOX_SERVICE_KEY": ""}):
        message = await _refused(service, tmp_path, **environment)
        assert message.startswith("set CHATTERBOX_SERVICE_KEY to this service's key")
        assert "CHATTERBOX_SERVICE_KEY_FILE" in message


async def test_a_missing_unreadable_empty_or_short_secret_file_is_named(tmp_path: Path, service: str) -> None:
    key = tmp_path / "key"
    cases: dict[str, str | None] = {
        "can't read {} (No such file or directory); check CHATTERBOX_SERVICE_KEY_FILE": None,
        "{} is empty; CHATTERBOX_SERVICE_KEY_FILE must name a file that contains the secret": "\n",
        "{}: a service key must have at least 32 characters, not 5": "short",
    }
    for sentence, content in cases.items():
        if content is not None:
            key.write_text(content)
        assert await _refused(service, tmp_path, CHATTERBOX_SERVICE_KEY_FILE=str(key)) == sentence.format(key)
    key.chmod(0o000)
    unreadable = {"CHATTERBOX_SERVICE_KEY_FILE": str(key)}
    message = (await attempt(service, tmp_path / "data", "serve", powerless=True, **unreadable)).sentence
    assert message == f"can't read {key} (Permission denied); check CHATTERBOX_SERVICE_KEY_FILE"


async def test_an_empty_redis_url_file_is_refused(tmp_path: Path, service: str) -> None:
    (tmp_path / "url").touch()
    environment = {"CHATTERBOX_SERVICE_KEY": KEY, "CHATTERBOX_REDIS_URL_FILE": str(tmp_path / "url")}
    assert "url is empty; CHATTERBOX_REDIS_URL_FILE" in await _refused(service, tmp_path, **environment)


async def test_an_invalid_redis_url_is_refused_with_an_example(tmp_path: Path, service: str) -> None:
    message = await _refused(service, tmp_path, CHATTERBOX_SERVICE_KEY=KEY, CHATTERBOX_REDIS_URL="http://redis:6379")
    assert message.startswith("CHATTERBOX_REDIS_URL must look like redis://user:password@host:6379")


async def test_a_port_in_use_is_named(tmp_path: Path, service: str, taken_port: int) -> None:
    message = await _refused(service, tmp_path, CHATTERBOX_SERVICE_KEY=KEY, CHATTERBOX_PORT=str(taken_port))
    reason = "is already in use; stop the other program, or set CHATTERBOX_PORT to another port"
    assert message == f"port {taken_port} {reason}"
