"""Headers that tell browsers not to guess, store, embed or downgrade what a service answers."""

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

DOCS_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "frame-ancestors 'none'"
)
"""Content-Security-Policy of the API reference, whose page has an inline script. The edge's Caddyfile has the same."""
START_POLICY = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
"""Content-Security-Policy of the start page, which loads nothing. The edge's Caddyfile has the same."""
_POLICIES = {"/": START_POLICY, "/docs": DOCS_POLICY}
HSTS = "max-age=31536000"
"""Strict-Transport-Security (RFC 6797): browsers use only HTTPS for a year."""
_STARTS = ("http.response.start", "websocket.http.response.start")


class SecurityHeadersMiddleware:
    """ASGI middleware that adds security headers to every response which does not set them itself.

    HSTS is sent only by a server with a domain, and only over HTTPS, as the RFC demands.
    """

    def __init__(self, app: ASGIApp, *, has_domain: bool) -> None:
        self._app = app
        self._has_domain = has_domain

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] in _STARTS:
                headers = MutableHeaders(raw=message["headers"])
                for name, value in self._headers(scope).items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, send_with_headers)

    def _headers(self, scope: Scope) -> dict[str, str]:
        headers = {"x-content-type-options": "nosniff"}
        path = scope["path"]
        if not path.startswith("/docs-assets/"):
            headers["cache-control"] = "no-store"
        if policy := _POLICIES.get(path):
            headers["content-security-policy"] = policy
        if self._has_domain and scope["scheme"] in {"https", "wss"}:
            headers["strict-transport-security"] = HSTS
        return headers
