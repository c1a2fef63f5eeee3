"""A service without the right secrets and addresses does not start, and names the setting; one for each service."""

from pathlib import Path

import pytest

from tests.support.attempt import KEY, attempt

pytestmark = pytest.mark.parametrize("service", ["auth", "history", "gateway"])


async def _refused(service: str, folder: Path, **environment: str) -> str:
    return (await attempt(service, folder / "data", "serve", powerless=True, **environment)).sentence


async def test_no_service_key_names_both_settings(tmp_path: Path, service: str) -> None:
    for given in ({}, {"CHATTERBOX_SERVICE_KEY": ""}):
        said = await _refused(service, tmp_path, **given)
        assert said.startswith("set CHATTERBOX_SERVICE_KEY to the key that all services share")
        assert "CHATTERBOX_SERVICE_KEY_FILE" in said


async def test_a_secret_file_that_is_away_unreadable_empty_or_short_is_named(tmp_path: Path, service: str) -> None:
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
    said = await _refused(service, tmp_path, CHATTERBOX_SERVICE_KEY_FILE=str(key))
    assert said == f"can't read {key} (Permission denied); check CHATTERBOX_SERVICE_KEY_FILE"


async def test_an_empty_file_for_the_redis_url_does_not_mean_no_redis(tmp_path: Path, service: str) -> None:
    (tmp_path / "url").touch()
    given = {"CHATTERBOX_SERVICE_KEY": KEY, "CHATTERBOX_REDIS_URL_FILE": str(tmp_path / "url")}
    assert "url is empty; CHATTERBOX_REDIS_URL_FILE" in await _refused(service, tmp_path, **given)


async def test_a_redis_url_that_is_none_is_told_how_to_look(tmp_path: Path, service: str) -> None:
    said = await _refused(service, tmp_path, CHATTERBOX_SERVICE_KEY=KEY, CHATTERBOX_REDIS_URL="http://redis:6379")
    assert said.startswith("CHATTERBOX_REDIS_URL must look like redis://user:password@host:6379")


async def test_a_port_that_is_taken_is_named(tmp_path: Path, service: str, taken_port: int) -> None:
    said = await _refused(service, tmp_path, CHATTERBOX_SERVICE_KEY=KEY, CHATTERBOX_PORT=str(taken_port))
    reason = "is already in use; stop the other program, or set CHATTERBOX_PORT to another port"
    assert said == f"port {taken_port} {reason}"
