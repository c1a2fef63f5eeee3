"""Which WebSocket requests the endpoint refuses, and what it counts them by."""

from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest
from fastapi import FastAPI
from starlette.types import Message

from chatterbox.wire.errors import ChatError, Code
from services.gateway.transport.endpoint import serve_websockets


class FullGateway:
    """Refuses every connection, and records its address."""

    def __init__(self) -> None:
        self.addresses: list[str] = []
        self.metrics: Any = SimpleNamespace(handshakes_refused=Mock())

    def admit(self, address: str) -> None:
        self.addresses.append(address)
        raise ChatError(Code.TOO_MANY_CONNECTIONS)

    def open(self, *_: object) -> None:
        raise AssertionError


@pytest.mark.parametrize(
    ("host", "counted"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:db8::2:1", "2001:db8::/64"),
    ],
)
async def test_connections_are_counted_by_ipv4_address_or_ipv6_network(host: str, counted: str) -> None:
    gateway, app, sent = FullGateway(), FastAPI(), list[Message]()
    serve_websockets(app, gateway, frozenset())

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {
        "type": "websocket",
        "path": "/ws",
        "headers": [],
        "query_string": b"",
        "client": (host, 1),
        "extensions": {"websocket.http.response": {}},
    }
    await app(scope, receive, send)
    assert gateway.addresses == [counted]
    assert sent[0]["status"] == 429
