"""The server of a stage, for what is asked over HTTP: members and sessions."""

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
    """Answers over HTTP; `down` answers nothing."""

    def __init__(self) -> None:
        self.ids = ["5b1c0aaa", "77aa0000"]
        self.asked: list[str] = []
        self.is_down = False

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(f"{request.method} {request.url.path}")
        if self.is_down:
            raise httpx.ConnectError("connection refused")
        if request.url.path.endswith("/members"):
            return httpx.Response(200, json=["bob", "alice", f"mal{ESC}"])
        if request.method == "DELETE":
            self.ids.remove(request.url.path.rpartition("/")[2])
        session = {"user_agent": f"browser{ESC}", "created": "2026-11-23T10:00:00.000"}
        return httpx.Response(200, json=[{**session, "id": name, "current": name == "77aa0000"} for name in self.ids])


def served(monkeypatch: pytest.MonkeyPatch) -> Server:
    """From now on every errand is asked of the server that is returned."""
    made = Server()
    monkeypatch.setattr(
        http_jobs, "HttpApi", lambda address, token=None: HttpApi(address, token, httpx.MockTransport(made.answer))
    )
    return made


def log_in(ui: Harness) -> None:
    """Keep a session of alice's, without which nothing is asked."""
    context = ui.runtime.slash_commands.context
    context.session_file.save(SavedSession(context.server, "alice", "t", "77aa0000", expires_at=4e9, lifetime_s=100))


async def answered(ui: Harness) -> list[str]:
    """The lines of the sheet, once the server has answered."""
    await ui.app.workers.wait_for_complete()
    await ui.settle()
    return plain(ui.app.screen.query_one("#choices", RowWidget).rows)
