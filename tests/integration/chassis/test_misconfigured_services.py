"""A gateway with a wrong service URL or key stays up and logs the problem once."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.utils import formatdate
from pathlib import Path

import pytest

from tests.support.topology import Service, Topology, topology
from tests.support.waiting import proves_absence, until

REPEATS_S = 3
"""Dependencies are checked once per second: a problem logged at each check would be logged again in this time."""


@asynccontextmanager
async def http_server(status: str, body: str, ahead_s: float = 0) -> AsyncIterator[str]:
    """An HTTP server whose clock is `ahead_s` seconds ahead; yields its URL."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                await reader.readuntil(b"\r\n\r\n")
                date = formatdate(time.time() + ahead_s, usegmt=True)
                head = f"HTTP/1.1 {status}\r\ndate: {date}\r\ncontent-length: {len(body)}\r\n\r\n"
                writer.write((head + body).encode())
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as listener:
        yield f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Topology]:
    """Auth, history and a gateway, none of them started; no Redis."""
    async with topology(tmp_path, gateways=1, started=False) as site:
        yield site


async def _logged(service: Service, *words: str) -> list[str]:
    """The log lines with all of these words, after the first one appeared and `REPEATS_S` passed."""
    await until(lambda: bool(_lines(service, words)), 20)
    await proves_absence(REPEATS_S)
    return _lines(service, words)


def _lines(service: Service, words: tuple[str, ...]) -> list[str]:
    return [line for line in service.log.read_text().splitlines() if all(word in line for word in words)]


async def test_a_wrong_service_key_is_logged_once_and_recovers_when_corrected(site: Topology, tmp_path: Path) -> None:
    (gateway,) = site.gateways
    right = site.auth.environment["CHATTERBOX_CALLER_KEYS_FILE"]
    (tmp_path / "other").write_text(f"gateway:{'0' * 64}")
    site.auth.environment["CHATTERBOX_CALLER_KEYS_FILE"] = str(tmp_path / "other")
    await asyncio.gather(*(service.start() for service in site.services))
    (line,) = await _logged(gateway, "dependency.down", "dependency=auth", "refuses our service key")
    assert f"{site.auth.url} refuses our service key; its CHATTERBOX_CALLER_KEYS must contain the digest of our" in line
    (line,) = await _logged(site.history, "revocations.unavailable", "refuses our service key")
    body = await gateway.until(lambda status, body: status == 503 and body["history"] == "ok")
    assert body["auth"] == "away"
    await site.auth.kill()
    site.auth.environment["CHATTERBOX_CALLER_KEYS_FILE"] = right
    await site.auth.start()
    await gateway.until(lambda _, body: body["auth"] == "ok")
    assert "Traceback" not in gateway.log.read_text() + site.history.log.read_text()


async def test_users_see_unavailable_instead_of_service_key_errors(site: Topology, tmp_path: Path) -> None:
    (gateway,) = site.gateways
    await asyncio.gather(site.redis.start(), *(service.start() for service in site.services))
    await gateway.until_ready()
    token = await site.newcomer("ada")
    async with gateway.talker(token) as ada:
        await site.history.kill()
        (tmp_path / "other").write_text(f"gateway:{'0' * 64}")
        site.history.environment["CHATTERBOX_CALLER_KEYS_FILE"] = str(tmp_path / "other")
        await site.history.start()
        await _logged(gateway, "dependency.down", "dependency=history", "refuses our service key")
        assert (await ada.send("hello"))["code"] == "unavailable"


async def test_swapped_service_urls_are_logged(site: Topology) -> None:
    (gateway,) = site.gateways
    gateway.environment["CHATTERBOX_AUTH_URL"] = site.history.url
    gateway.environment["CHATTERBOX_HISTORY_URL"] = site.auth.url
    await asyncio.gather(*(service.start() for service in site.services))
    for part, url, path in (("auth", site.history.url, "jwks"), ("history", site.auth.url, "heads")):
        (line,) = await _logged(gateway, "dependency.down", f"dependency={part}", "does not know")
        assert f"the server at {url} does not know /internal/{path}: it is another service, or another version" in line
        assert line.endswith("check CHATTERBOX_AUTH_URL and CHATTERBOX_HISTORY_URL")
    assert (await gateway.health())[0] == 503


@pytest.mark.parametrize(("status", "body"), [("200 OK", "<html>"), ("404 Not Found", "<html>")])
async def test_a_url_of_another_program_is_logged(site: Topology, status: str, body: str) -> None:
    (gateway,) = site.gateways
    async with http_server(status, body) as url:
        gateway.environment["CHATTERBOX_AUTH_URL"] = url
        await gateway.start()
        (line,) = await _logged(gateway, "dependency.down", "dependency=auth")
        assert f"the server at {url} does not know /internal/jwks" in line
        await gateway.kill()


async def test_an_unreachable_service_is_logged_once(site: Topology) -> None:
    (gateway,) = site.gateways
    await gateway.start()
    (line,) = await _logged(gateway, "dependency.down", "dependency=history")
    assert f"no answer from {site.history.url}: " in line


@pytest.mark.parametrize("ahead_s", [-60, 60])
async def test_clock_skew_is_logged_once_and_shown_by_the_readiness_check(site: Topology, ahead_s: float) -> None:
    (gateway,) = site.gateways
    async with http_server(
        "200 OK", '{"keys": [], "epoch": "e", "upto": 0, "is_last": true, "sids": []}', ahead_s
    ) as url:
        gateway.environment["CHATTERBOX_AUTH_URL"] = url
        await gateway.start()
        (line,) = await _logged(gateway, "clock_skew.detected")
        assert f"where={url}" in line
        assert line.endswith("ours; set both clocks by NTP")
        _, body = await gateway.health()
        assert body["clock"].startswith(f"that of {url} is ")
        await gateway.kill()
