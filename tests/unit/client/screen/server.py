"""HTTP server of the harness: members and sessions."""

import httpx
import pytest

from client.net import http_jobs
from client.net.http_api import HttpApi
from client.screen.layout.side_lists import plain
from client.screen.widgets.row_widget import RowWidget
from client.store.session_file import SavedSession
from tests.unit.client.screen.harness import Harness

ESC = "\x1b[2J"


class Server:
    """Answers HTTP requests until it is stopped."""

    def __init__(self) -> None:
        self.ids = ["5b1c0aaa", "77aa0000"]
        self.requests: list[str] = []
        self._is_down = False

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(f"{request.method} {request.url.path}")
        if self._is_down:
            raise httpx.ConnectError("connection refused")
        if request.url.path.endswith("/members"):
            return httpx.Response(200, json=["bob", "alice", f"mal{ESC}"])
        if request.method == "DELETE":
            self.ids.remove(request.url.path.rpartition("/")[2])
            return httpx.Response(200, json={"message": "Session terminated"})
        session = {"user_agent": f"browser{ESC}", "created": "2026-11-23T10:00:00.000"}
        return httpx.Response(200, json=[{**session, "id": name, "current": name == "77aa0000"} for name in self.ids])

    def stop(self) -> None:
        """Refuse connections from now on."""
        self._is_down = True


def served(monkeypatch: pytest.MonkeyPatch) -> Server:
    """Send all HTTP requests to the returned server."""
    server = Server()
    monkeypatch.setattr(
        http_jobs, "HttpApi", lambda address, token=None: HttpApi(address, token, httpx.MockTransport(server.answer))
    )
    return server


def log_in(ui: Harness) -> None:
    """Save a session of alice: HTTP requests need one."""
    context = ui.runtime.slash_commands.context
    context.session_file.save(SavedSession(context.server, "alice", "t", "77aa0000", expires_at=4e9, lifetime_s=100))


async def answered(ui: Harness) -> list[str]:
    """Return the items of the picker, once the server has answered."""
    await ui.app.workers.wait_for_complete()
    await ui.settle()
    return plain(ui.app.screen.query_one("#choices", RowWidget).rows)
