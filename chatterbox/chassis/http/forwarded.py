"""The client's address of each request: the peer's, or the one that a trusted proxy names in `X-Forwarded-For`."""

import logging

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from chatterbox.chassis.core.peer_address import TrustedProxies, unmapped
from chatterbox.chassis.observability.rate_limited_log import RateLimitedLog

log = logging.getLogger("chatterbox.http")

HINT = "its X-Forwarded-For is ignored; if it is your proxy, add its address to CHATTERBOX_TRUSTED_PROXIES"
_SCHEMES = {"http", "https"}


class ForwardedMiddleware:
    """ASGI middleware that sets `client` and `scheme` from the headers of trusted proxies.

    Uvicorn's own compares addresses as text: it does not recognise a proxy at 127.0.0.1 if the server listens on `::`.
    """

    def __init__(self, app: ASGIApp, proxies: TrustedProxies) -> None:
        self._app = app
        self._proxies = proxies
        self._untrusted = RateLimitedLog(log, "proxy.untrusted")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan" and scope.get("client"):
            self._set_client(scope)
        await self._app(scope, receive, send)

    def _set_client(self, scope: Scope) -> None:
        peer = unmapped(scope["client"][0])
        forwarded_for = [value.decode("latin-1") for name, value in scope["headers"] if name == b"x-forwarded-for"]
        if not self._proxies.trusts(peer):
            if forwarded_for:
                self._untrusted.write(address=peer, why=HINT)
            return
        client = self._proxies.client(peer, forwarded_for)
        if client != peer:
            scope["client"] = (client, 0)
        scheme = Headers(scope=scope).get("x-forwarded-proto", "").strip()
        if scheme in _SCHEMES:
            scope["scheme"] = scheme.replace("http", "ws") if scope["type"] == "websocket" else scheme
