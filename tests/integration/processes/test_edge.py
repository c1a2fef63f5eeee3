"""The edge's Caddyfile in the real Caddy, without Chatterbox's services behind it."""

import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from services.processes.process_plan import ProcessPorts, edge
from services.processes.program_paths import caddy_program
from tests.support.peer import dialled
from tests.support.ports import free_port
from tests.support.waiting import until

NOWHERE = ProcessPorts(1, 1, 1, (1,))


@contextmanager
def started(folder: Path, ports: ProcessPorts, **names: str) -> Iterator[int]:
    """Caddy with the edge's configuration; gives its port."""
    port = free_port()
    spec = edge(caddy_program(), "127.0.0.1", port, ports, data=folder, reference=folder)
    (folder / "docs.html").write_text("docs")
    (folder / "start.html").write_text("start")
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            spec.command, env={**os.environ, **spec.environment, **names}, stdout=log, stderr=log
        )
    try:
        yield port
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    names = {"CHATTERBOX_DOMAIN": "Chat.example.org", "CHATTERBOX_HOSTS": "a.lan, b.lan"}
    with started(tmp_path_factory.mktemp("edge"), NOWHERE, **names) as port:
        yield port


async def get(port: int, path: str, **headers: str) -> httpx.Response:
    """The response of the edge, as soon as it listens."""
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as http:

        async def listens() -> bool:
            try:
                await http.get("/")
            except httpx.ConnectError:
                return False
            return True

        await until(listens, 20)
        return await http.get(path, headers=headers)


@pytest.mark.parametrize("path", ["/docs", "/ws", "/rooms", "/register", "/nothing"])
async def test_the_edge_answers_421_for_another_host(port: int, path: str) -> None:
    for host in ("evil.example", "evil.example:8000", "chat.example.org.evil.example"):
        refused = await get(port, path, Host=host)
        assert (refused.status_code, refused.json()["code"]) == (421, "host_refused")


@pytest.mark.parametrize(
    "host", ["localhost:8000", "127.0.0.1", "[::1]:8000", "192.0.2.7", "chat.EXAMPLE.org", "a.lan", "b.lan:80"]
)
async def test_the_edge_serves_loopback_addresses_its_domain_and_listed_hosts(port: int, host: str) -> None:
    assert (await get(port, "/docs", Host=host)).text == "docs"


@pytest.mark.parametrize("path", ["/docs", "/nothing", "/rooms"])
async def test_the_edge_sends_security_headers_with_its_own_answers(port: int, path: str) -> None:
    answer = await get(port, path)
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    assert ("content-security-policy" in answer.headers) == (path == "/docs")


HOSTILE = (
    b"CONNECT /ws HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"CONNECT localhost:80 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET http://[:: HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET x HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /docs HTTP/1.1\r\n\r\n",
    b"GET /docs HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n",
    b"GET /docs/%zz HTTP/1.1\r\nHost: localhost\r\n\r\n",
)


async def test_the_edge_answers_400_to_invalid_requests_and_forwards_none(port: int) -> None:
    await get(port, "/docs")
    for request in HOSTILE:
        async with dialled(port) as peer:
            peer.write(request)
            assert (await peer.head()).startswith("HTTP/1.1 400 "), request


async def test_the_edge_logs_neither_invalid_requests_nor_broken_off_ones(tmp_path: Path) -> None:
    service = echo()
    at = service.server_port
    with started(tmp_path, ProcessPorts(1, at, at, (at,))) as port:
        await get(port, "/docs")
        before = (tmp_path / "log").read_text()
        for request in (*HOSTILE, b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{"):
            for _ in range(20):
                async with dialled(port) as peer:
                    peer.write(request)
                    await peer.drain()
        await get(port, "/docs")
    service.shutdown()
    service.server_close()
    assert (tmp_path / "log").read_text() == before


async def test_the_edge_serves_the_start_page_except_to_programs_that_ask_for_json(port: int) -> None:
    for accept in ("text/html,*/*;q=0.8", "*/*", "application/json, text/html"):
        page = await get(port, "/", Accept=accept)
        assert (page.status_code, page.text) == (200, "start")
        assert page.headers["content-security-policy"].startswith("default-src 'none';")
        assert page.headers["cache-control"] == "no-store"
    answer = await get(port, "/", Accept="application/json")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_the_edge_serves_the_same_below_a_root_path(tmp_path: Path) -> None:
    with started(tmp_path, NOWHERE, CHATTERBOX_ROOT_PATH="/chat") as port:
        for path in ("/chat/docs", "/docs"):
            assert (await get(port, path)).text == "docs"
        assert (await get(port, "/chat/")).text == "start"
        assert (await get(port, "/chat/login")).status_code == 503
        redirect = await get(port, "/chat")
        assert (redirect.status_code, redirect.headers["location"]) == (308, "/chat/")
        for path in ("/chatdocs", "/chat/chat/docs", "/chat/internal/jwks"):
            assert (await get(port, path)).status_code == 404


def echo() -> ThreadingHTTPServer:
    """A service that answers with the `X-Forwarded-For` that it got."""

    class Echo(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.headers.get("X-Forwarded-For", "").encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


async def test_the_edge_trusts_no_proxy_unless_told_to(tmp_path: Path) -> None:
    service = echo()
    at = service.server_port
    with started(tmp_path, ProcessPorts(1, at, at, (at,))) as port:
        assert (await get(port, "/rooms", **{"X-Forwarded-For": "203.0.113.7"})).text == "127.0.0.1"
    with started(tmp_path, ProcessPorts(1, at, at, (at,)), CHATTERBOX_EDGE_TRUSTED_PROXIES="127.0.0.1/32") as port:
        assert (await get(port, "/rooms", **{"X-Forwarded-For": "203.0.113.7"})).text == "203.0.113.7, 127.0.0.1"
    service.shutdown()
    service.server_close()
