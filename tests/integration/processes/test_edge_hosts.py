"""The edge's Caddyfile in the real Caddy, without services behind it."""

import os
import subprocess
from collections.abc import Iterator

import httpx
import pytest

from services.processes.process_plan import ProcessPorts, edge
from services.processes.program_paths import caddy_program
from tests.support.ports import free_port
from tests.support.waiting import until

NOWHERE = ProcessPorts(1, 1, 1, (1,))


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    folder, port = tmp_path_factory.mktemp("edge"), free_port()
    spec = edge(caddy_program(), "127.0.0.1", port, NOWHERE, data=folder, reference=folder)
    (folder / "docs.html").write_text("docs")
    names = {"CHATTERBOX_DOMAIN": "Chat.example.org", "CHATTERBOX_HOSTS": "a.lan, b.lan"}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            spec.command, env={**os.environ, **spec.environment, **names}, stdout=log, stderr=log
        )
    try:
        yield port
    finally:
        process.kill()
        process.wait()


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
