"""A gateway that is told wrongly where its services are, or by what key, stays up and says once what is wrong."""

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

LOOKS = 3
"""A part is asked once a second: whoever said it each time would have said it so often."""


@asynccontextmanager
async def answering(status: str, body: str, ahead_s: float = 0) -> AsyncIterator[str]:
    """Something that speaks HTTP, whose clock is `ahead_s` seconds ahead; gives its URL."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                await reader.readuntil(b"\r\n\r\n")
                date = formatdate(time.time() + ahead_s, usegmt=True)
                head = f"HTTP/1.1 {status}\r\ndate: {date}\r\ncontent-length: {len(body)}\r\n\r\n"
                writer.write((head + body).encode())
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as listening:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"


@pytest.fixture
async def whole(tmp_path: Path) -> AsyncIterator[Topology]:
    """Auth and history, and a gateway that is not started yet; no Redis."""
    async with topology(tmp_path, gateways=1, started=False) as whole:
        yield whole


async def _said(service: Service, *words: str) -> list[str]:
    """The lines of a log with all of these words, once there are some and time enough for more."""
    await until(lambda: bool(_lines(service, words)), 20)
    await proves_absence(LOOKS)
    return _lines(service, words)


def _lines(service: Service, words: tuple[str, ...]) -> list[str]:
    return [line for line in service.log.read_text().splitlines() if all(word in line for word in words)]


async def test_another_key_than_auth_has_is_named_and_mends_when_it_is_set(whole: Topology, tmp_path: Path) -> None:
    (gateway,) = whole.gateways
    right = whole.auth.environment["CHATTERBOX_SERVICE_KEY_FILE"]
    (tmp_path / "other").write_text("this is another key than the others have")
    whole.auth.environment["CHATTERBOX_SERVICE_KEY_FILE"] = str(tmp_path / "other")
    await asyncio.gather(*(service.start() for service in whole.services))
    (line,) = await _said(gateway, "part.away", "part=auth", "refuses our key")
    assert f"{whole.auth.url} refuses our key; CHATTERBOX_SERVICE_KEY must be the same for all services" in line
    (line,) = await _said(whole.history, "revocations.unavailable", "refuses our key")
    body = await gateway.until(lambda status, body: status == 503 and body["history"] == "ok")
    assert body["auth"] == "away"
    await whole.auth.kill()
    whole.auth.environment["CHATTERBOX_SERVICE_KEY_FILE"] = right
    await whole.auth.start()
    await gateway.until(lambda _, body: body["auth"] == "ok")
    assert "Traceback" not in gateway.log.read_text() + whole.history.log.read_text()


async def test_a_user_is_not_told_of_keys_and_addresses(whole: Topology, tmp_path: Path) -> None:
    (gateway,) = whole.gateways
    await asyncio.gather(whole.redis.start(), *(service.start() for service in whole.services))
    await gateway.until_ready()
    token = await whole.newcomer("ada")
    async with gateway.talker(token) as ada:
        await whole.history.kill()
        (tmp_path / "other").write_text("this is another key than the others have")
        whole.history.environment["CHATTERBOX_SERVICE_KEY_FILE"] = str(tmp_path / "other")
        await whole.history.start()
        await _said(gateway, "part.away", "part=history", "refuses our key")
        assert (await ada.send("hello"))["code"] == "unavailable"


async def test_services_given_for_each_other_are_named(whole: Topology) -> None:
    (gateway,) = whole.gateways
    gateway.environment["CHATTERBOX_AUTH_URL"] = whole.history.url
    gateway.environment["CHATTERBOX_HISTORY_URL"] = whole.auth.url
    await asyncio.gather(*(service.start() for service in whole.services))
    for part, url, path in (("auth", whole.history.url, "jwks"), ("history", whole.auth.url, "heads")):
        (line,) = await _said(gateway, "part.away", f"part={part}", "does not know")
        assert f"what answers at {url} does not know /internal/{path}: another service, or another version" in line
        assert line.endswith("check CHATTERBOX_AUTH_URL and CHATTERBOX_HISTORY_URL")
    assert (await gateway.health())[0] == 503


@pytest.mark.parametrize(("status", "body"), [("200 OK", "<html>"), ("404 Not Found", "<html>")])
async def test_what_is_no_chatterbox_at_all_is_named(whole: Topology, status: str, body: str) -> None:
    (gateway,) = whole.gateways
    async with answering(status, body) as url:
        gateway.environment["CHATTERBOX_AUTH_URL"] = url
        await gateway.start()
        (line,) = await _said(gateway, "part.away", "part=auth")
        assert f"what answers at {url} does not know /internal/jwks" in line
        await gateway.kill()


async def test_a_service_that_is_away_is_named_once(whole: Topology) -> None:
    (gateway,) = whole.gateways
    await gateway.start()
    (line,) = await _said(gateway, "part.away", "part=history")
    assert f"no answer from {whole.history.url}: " in line


@pytest.mark.parametrize("ahead_s", [-60, 60])
async def test_a_clock_that_is_off_is_told_once_and_shown_in_readiness(whole: Topology, ahead_s: float) -> None:
    (gateway,) = whole.gateways
    async with answering("200 OK", '{"keys": [], "revocations": []}', ahead_s) as url:
        gateway.environment["CHATTERBOX_AUTH_URL"] = url
        await gateway.start()
        (line,) = await _said(gateway, "clock.off")
        assert f"where={url}" in line
        assert line.endswith("ours; set both clocks by NTP")
        _, body = await gateway.health()
        assert body["clock"].startswith(f"that of {url} is ")
        await gateway.kill()
