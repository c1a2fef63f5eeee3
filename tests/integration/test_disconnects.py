"""A client that disconnects in the middle of a request is no error of the server."""

import logging
from pathlib import Path

import pytest

from chatterbox.chassis import serve
from tests.support import auth_site, socket_server
from tests.support.peer import dialled
from tests.support.server import running

BODIES = [
    ("/login", "application/json"),
    ("/login", "application/x-www-form-urlencoded"),
    ("/register", "application/json"),
    ("/password", "application/json"),
    ("/rooms", "application/json"),
    ("/internal/user", "application/json"),
]


async def break_off(port: int, path: str, content_type: str, *, reset: bool) -> None:
    """Send a third of a body, then disconnect."""
    async with dialled(port) as peer:
        lines = (
            f"POST {path} HTTP/1.1",
            "Host: localhost",
            f"Authorization: Bearer {auth_site.SERVICE_KEY}",
            f"Content-Type: {content_type}",
            "Content-Length: 30",
        )
        peer.write("\r\n".join((*lines, "", "")).encode(), b'{"username')
        await peer.drain()
        if reset:
            peer.reset()


def problems(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING or record.exc_info]


@pytest.mark.parametrize("reset", [False, True])
async def test_a_request_that_breaks_off_is_not_logged(
    tmp_path: Path, reset: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(tmp_path) as server:
        for body in BODIES:
            await break_off(server.port, *body, reset=reset)
    assert problems(caplog) == []


async def test_auth_alone_does_not_log_a_request_that_breaks_off(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with auth_site.running(tmp_path) as site:
        config = serve.config(site.app)
        config.lifespan = "off"  # it runs already
        caplog.clear()
        async with socket_server.served(config) as port:
            for body in BODIES:
                await break_off(port, *body, reset=False)
    assert problems(caplog) == []
