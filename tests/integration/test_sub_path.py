"""Chatterbox below the path of another site, behind a real proxy that removes the path or leaves it."""

import asyncio
import json
import os
import re
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import httpx
import pytest

from client.net.dialer import dial
from client.net.http_api import HttpApi
from client.text.server_url import server_address
from services.processes.program_paths import caddy_program
from tests.support.ports import free_port, is_open
from tests.support.server import PASSWORD, running
from tests.support.waiting import until

REMOVES = "handle_path /chat/*"
LEAVES = "handle /chat/*"
ADDRESS = re.compile(r"""(?:href|src|url)(?:=|: )["']([^"']+)["']""")


@asynccontextmanager
async def proxied(folder: Path, directive: str, **settings: Any) -> AsyncIterator[str]:
    """The address of a Chatterbox below a path, and of nothing else on this site."""
    port = free_port()
    async with running(folder / "data", **settings) as server:
        site = f"{directive} {{\n reverse_proxy 127.0.0.1:{server.port}\n }}"
        configuration = folder / "Caddyfile"
        configuration.write_text(f"{{\n admin off\n}}\nhttp://127.0.0.1:{port} {{\n {site}\n}}\n")
        command = (caddy_program(), "run", "--config", configuration, "--adapter", "caddyfile")
        homes = {"XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
        process = await asyncio.create_subprocess_exec(*command, env={**os.environ, **homes}, stderr=subprocess.DEVNULL)
        try:
            await until(lambda: is_open(port), 20)
            yield f"http://127.0.0.1:{port}/chat"
        finally:
            process.kill()
            await process.wait()


@pytest.fixture(params=[(REMOVES, {}), (LEAVES, {"root_path": "/chat"})], ids=["removed", "left"])
async def address(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[str]:
    directive, settings = request.param
    async with proxied(tmp_path, directive, **settings) as address:
        yield address


async def test_all_addresses_in_the_pages_of_a_server_below_a_path_lead_somewhere(address: str) -> None:
    async with httpx.AsyncClient(trust_env=False) as http:
        for page in (f"{address}/", f"{address}/docs"):
            found = ADDRESS.findall((await http.get(page)).raise_for_status().text)
            assert len(found) >= 4
            for each in found:
                (await http.get(urljoin(page, each))).raise_for_status()


async def test_the_api_reference_below_a_path_describes_routes_below_that_path(address: str) -> None:
    async with httpx.AsyncClient(trust_env=False) as http:
        document = (await http.get(f"{address}/openapi.json")).json()
        server = urljoin(f"{address}/openapi.json", document["servers"][0]["url"]).rstrip("/")
        assert server == address
        (scheme,) = document["components"]["securitySchemes"].values()
        assert urljoin(f"{address}/docs", scheme["flows"]["password"]["tokenUrl"]) == f"{address}/login"


async def test_the_client_works_with_a_server_below_a_path(address: str) -> None:
    server = server_address(f"{address}/")

    def log_in() -> str:
        with HttpApi(server) as api:
            api.register("alice", PASSWORD)
            return api.login("alice", PASSWORD).token

    token = await asyncio.to_thread(log_in)
    async with dial(server) as socket:
        await socket.send(json.dumps({"type": "connect", "token": token}))
        assert json.loads(await asyncio.wait_for(socket.recv(), 10))["type"] == "welcome"


async def test_the_path_without_its_slash_is_redirected_and_other_paths_are_not_taken_for_it(tmp_path: Path) -> None:
    async with running(tmp_path, root_path="/chat") as server:
        redirect = await server.http.get("/chat")
        assert (redirect.status_code, redirect.headers["location"]) == (308, "/chat/")
        assert (await server.http.get("/chatter")).status_code == 404
        assert (await server.http.get("/chat/health/live")).status_code == 200
        assert (await server.http.get("/health/live")).status_code == 200
