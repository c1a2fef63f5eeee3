"""The client's address behind proxies."""

import logging
from typing import Any

import pytest
from starlette.types import Receive, Scope, Send

from chatterbox.chassis.core.peer_address import TrustedProxies
from chatterbox.chassis.http.forwarded import ForwardedMiddleware


async def seen(proxies: str, peer: str, *forwarded_for: str, **scope: Any) -> Scope:
    """What the app sees of a request from `peer` with these values of `X-Forwarded-For`."""
    received: list[Scope] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        received.append(scope)

    headers = [(b"x-forwarded-for", value.encode()) for value in forwarded_for] + scope.pop("headers", [])
    request = {"type": "http", "client": (peer, 1234), "scheme": "http", "headers": headers, **scope}
    await ForwardedMiddleware(app, TrustedProxies(proxies))(request, None, None)  # type: ignore[arg-type]
    return received[0]


@pytest.mark.parametrize(
    ("proxies", "peer", "forwarded_for", "client"),
    [
        ("127.0.0.1", "127.0.0.1", ["203.0.113.7"], "203.0.113.7"),
        ("127.0.0.1", "::ffff:127.0.0.1", ["203.0.113.7"], "203.0.113.7"),
        ("::ffff:127.0.0.1", "127.0.0.1", ["203.0.113.7"], "203.0.113.7"),
        ("::ffff:10.0.0.0/104", "10.1.2.3", ["203.0.113.7"], "203.0.113.7"),
        ("::1", "0:0::1", ["203.0.113.7"], "203.0.113.7"),
        ("127.0.0.1", "127.0.0.1", ["::ffff:203.0.113.7"], "203.0.113.7"),
        ("127.0.0.1", "127.0.0.1", ["[2001:DB8::1]:443"], "2001:db8::1"),
        ("127.0.0.1", "127.0.0.1", ["203.0.113.7:443"], "203.0.113.7"),
        ("127.0.0.1", "127.0.0.1", ["198.51.100.1, 203.0.113.7"], "203.0.113.7"),
        ("127.0.0.1", "127.0.0.1", ["198.51.100.1", "203.0.113.7"], "203.0.113.7"),
        ("127.0.0.1,10.0.0.0/8", "127.0.0.1", ["203.0.113.7, 10.9.9.9"], "203.0.113.7"),
        ("*", "192.0.2.1", ["203.0.113.7, 198.51.100.1"], "203.0.113.7"),
        ("127.0.0.1", "127.0.0.1", ["10.0.0.1, unknown"], "127.0.0.1"),
        ("127.0.0.1", "127.0.0.1", ["127.0.0.1"], "127.0.0.1"),
        ("127.0.0.1", "127.0.0.1", [""], "127.0.0.1"),
        ("127.0.0.1", "127.0.0.1", [], "127.0.0.1"),
        ("127.0.0.1", "192.0.2.1", ["203.0.113.7"], "192.0.2.1"),
        ("", "127.0.0.1", ["203.0.113.7"], "127.0.0.1"),
    ],
)
async def test_the_client_is_the_last_address_that_is_no_trusted_proxy(
    proxies: str, peer: str, forwarded_for: list[str], client: str
) -> None:
    assert (await seen(proxies, peer, *forwarded_for))["client"][0] == client


async def test_only_a_trusted_proxy_sets_the_scheme() -> None:
    https = [(b"x-forwarded-proto", b"https")]
    assert (await seen("127.0.0.1", "127.0.0.1", headers=https))["scheme"] == "https"
    assert (await seen("127.0.0.1", "127.0.0.1", headers=https, type="websocket"))["scheme"] == "wss"
    assert (await seen("127.0.0.1", "127.0.0.1", headers=[(b"x-forwarded-proto", b"ftp")]))["scheme"] == "http"
    assert (await seen("127.0.0.1", "192.0.2.1", headers=https))["scheme"] == "http"


async def test_a_header_from_an_untrusted_peer_is_logged_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None: ...

    middleware = ForwardedMiddleware(app, TrustedProxies("127.0.0.1"))
    request = {"type": "http", "client": ("192.0.2.1", 1), "headers": [(b"x-forwarded-for", b"203.0.113.7")]}
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            await middleware(request, None, None)  # type: ignore[arg-type]
    (warning,) = caplog.records
    assert warning.message == "proxy.untrusted"
    assert vars(warning)["address"] == "192.0.2.1"
    assert "CHATTERBOX_TRUSTED_PROXIES" in vars(warning)["why"]


@pytest.mark.parametrize("entry", ["proxy.example.org", "10.0.0.0/33", "10.0.0.1/8", "127.0.0.1;10.0.0.1"])
def test_a_proxy_must_be_an_address_or_a_network(entry: str) -> None:
    with pytest.raises(ValueError, match="write addresses or networks"):
        TrustedProxies(entry)
