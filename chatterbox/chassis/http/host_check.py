"""Refuses requests without exactly one valid `Host` header, and requests for names that are not this server's."""

from functools import lru_cache

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from chatterbox.chassis.core.host_names import AllowedHosts, host_port
from chatterbox.chassis.http.http_errors import answer, bad_request
from chatterbox.wire.errors import ChatError, Code

_SHOWN_CHARS = 100
_REMEMBERED = 64
"""Headers whose check is remembered: a server has few names."""


class HostCheckMiddleware:
    """ASGI middleware for HTTP and WebSocket requests; without `allowed`, every name is allowed."""

    def __init__(self, app: ASGIApp, allowed: AllowedHosts | None = None) -> None:
        self._app = app
        self._allowed = allowed
        self._is_allowed = lru_cache(_REMEMBERED)(self._check)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = None if scope["type"] == "lifespan" else self._refusal(scope)
        await (refusal or self._app)(scope, receive, send)

    def _refusal(self, scope: Scope) -> Response | None:
        hosts = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
        if not hosts and scope.get("http_version") == "1.0":
            return None
        if len(hosts) != 1:
            return bad_request(f"A request needs exactly one Host header, not {len(hosts)} (RFC 9112 section 3.2).")
        try:
            if self._is_allowed(hosts[0]):
                return None
        except ValueError:
            return bad_request("The Host header is not valid (RFC 9112 section 3.2).")
        shown = hosts[0][:_SHOWN_CHARS]
        detail = f"This server is not {shown!r}. Use its own name, or add this one to CHATTERBOX_HOSTS on the server."
        return answer(ChatError(Code.HOST_REFUSED, detail))

    def _check(self, header: str) -> bool:
        """Whether a `Host` header names this server; raises `ValueError` if it is not valid."""
        host_port(header)
        return self._allowed is None or self._allowed.allows(header)
