"""Removes the path below which a proxy publishes this server from the path of each request."""

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send


class RootPathMiddleware:
    """ASGI middleware. Requests without the root path, from a proxy that removes it, are passed on as they are."""

    def __init__(self, app: ASGIApp, root_path: str) -> None:
        """`root_path` is empty or like `/chat`."""
        self._app = app
        self._root_path = root_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        root = self._root_path
        if root and scope["type"] != "lifespan":
            if scope["path"] == root and scope["type"] == "http":
                await _slash_added(root)(scope, receive, send)
                return
            if scope["path"].startswith(f"{root}/"):
                raw_path = scope.get("raw_path", b"").removeprefix(root.encode("ascii"))
                scope = {**scope, "path": scope["path"].removeprefix(root), "raw_path": raw_path}
        await self._app(scope, receive, send)


def _slash_added(root: str) -> Response:
    """Relative addresses in the start page need the slash."""
    return Response(status_code=308, headers={"Location": f"{root}/"})
