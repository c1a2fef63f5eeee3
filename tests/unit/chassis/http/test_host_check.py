"""Requests without one valid Host header, or for another server."""

import json
from typing import Any

import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Message

from chatterbox.chassis.core.host_names import AllowedHosts
from chatterbox.chassis.http.host_check import HostCheckMiddleware


async def answered(*hosts: str, allowed: AllowedHosts | None = None, **scope: Any) -> tuple[int, dict[str, str]]:
    """Status and body of the response to a request with these Host headers."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request"}

    async def send(message: Message) -> None:
        sent.append(message)

    headers = [(b"host", host.encode()) for host in hosts]
    request = {"type": "http", "http_version": "1.1", "method": "GET", "path": "/", "headers": headers, **scope}
    await HostCheckMiddleware(PlainTextResponse('{"code": "", "detail": ""}'), allowed)(request, receive, send)
    assert sent[0]["type"].removeprefix("websocket.") == "http.response.start"
    return sent[0]["status"], json.loads(sent[1]["body"])


@pytest.mark.parametrize("hosts", [(), ("a", "a"), ("a", "b"), ("a b",), ("a/b",), ("a:port",)])
@pytest.mark.parametrize("kind", ["http", "websocket"])
async def test_a_request_without_exactly_one_valid_host_gets_400(kind: str, hosts: tuple[str, ...]) -> None:
    status, body = await answered(*hosts, type=kind, extensions={"websocket.http.response": {}})
    assert (status, body["code"]) == (400, "bad_request")
    assert "RFC 9112" in body["detail"]


async def test_http_1_0_needs_no_host() -> None:
    assert (await answered(http_version="1.0"))[0] == 200


@pytest.mark.parametrize("kind", ["http", "websocket"])
async def test_a_request_for_another_name_gets_421(kind: str) -> None:
    allowed = AllowedHosts(["chat.example.org"])
    extensions: dict[str, object] = {"websocket.http.response": {}}
    status, body = await answered("evil.example:8000", allowed=allowed, type=kind, extensions=extensions)
    assert (status, body["code"]) == (421, "host_refused")
    assert "'evil.example:8000'" in body["detail"]
    assert "CHATTERBOX_HOSTS" in body["detail"]


async def test_a_request_for_an_allowed_name_is_answered() -> None:
    assert (await answered("Chat.example.org:8000", allowed=AllowedHosts(["chat.example.org"])))[0] == 200


async def test_without_a_list_every_name_is_allowed() -> None:
    assert (await answered("auth:8000"))[0] == 200
