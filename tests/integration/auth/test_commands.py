"""Auth's operator commands, run as processes while a server is running or stopped."""

import os
import subprocess
from pathlib import Path

from tests.support.auth_site import running
from tests.support.program import run_service


def command(data: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CHATTERBOX_")}
    return run_service("services.auth", *arguments, environment={**kept, "CHATTERBOX_DATA": str(data), **environment})


async def test_rotate_keys_adds_a_key_that_a_running_server_picks_up(tmp_path: Path) -> None:
    async with running(tmp_path) as site:
        token = await site.registered()
        done = command(tmp_path, "rotate-keys")
        assert done.returncode == 0, done.stderr
        assert len((await site.internal.jwks()).keys) == 2
        assert (await site.sessions(token)).status_code == 200


async def test_ban_without_the_service_key_of_a_running_server_explains_how_to_connect(tmp_path: Path) -> None:
    async with running(tmp_path) as site:
        await site.register()
        done = command(tmp_path, "ban", "alice")
        assert done.returncode == 1
        assert "auth is running" in done.stderr
        assert "Traceback" not in done.stderr


async def test_ban_while_the_server_is_stopped_applies_after_its_start(tmp_path: Path) -> None:
    async with running(tmp_path) as site:
        await site.register()
    assert command(tmp_path, "ban", "ALICE").stdout == "ban: alice\n"
    async with running(tmp_path) as site:
        assert (await site.try_login()).status_code == 401


def test_serve_without_a_service_key_names_the_setting(tmp_path: Path) -> None:
    done = command(tmp_path, "serve")
    assert done.returncode == 1
    assert "CHATTERBOX_SERVICE_KEY" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_invalid_setting_is_named(tmp_path: Path) -> None:
    done = command(tmp_path, "serve", CHATTERBOX_TOKEN_S="90000")
    assert done.returncode == 2
    assert "CHATTERBOX_TOKEN_S" in done.stderr
