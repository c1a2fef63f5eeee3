"""`chatterbox doctor` against a real server behind Caddy."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from client.failures import ExitCode
from services.processes.program_paths import caddy_program
from tests.e2e.client.people import Person, Server
from tests.e2e.doctor.doctor_report import at, run_doctor, worst
from tests.support.ports import free_port
from tests.support.waiting import wait_until


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@asynccontextmanager
async def caddy(folder: Path, port: int, address: str, *lines: str) -> AsyncIterator[None]:
    """A real proxy in front of `port`."""
    config = folder / "Caddyfile"
    inner = "\n".join(lines)
    site = f"{address} {{\nreverse_proxy 127.0.0.1:{port} {{\n{inner}\n}}\n}}\n"
    config.write_text(
        "{\nadmin off\npersist_config off\nskip_install_trust\nauto_https disable_redirects\n"
        f"storage file_system {folder / 'caddy'}\n}}\n{site}"
    )
    with (folder / "caddy.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            str(caddy_program()), "run", "--config", str(config), stdout=log, stderr=log
        )
    try:
        await asyncio.to_thread(wait_until, lambda: listens(int(address.rsplit(":", 1)[1])), "caddy listens")
        yield
    finally:
        process.kill()
        await process.wait()


class TestCaddy:
    async def test_caddy_with_defaults_passes_all_checks(self, site: Server, ada: Person, tmp_path: Path) -> None:
        address = f"http://127.0.0.1:{free_port()}"
        async with caddy(tmp_path, site.port, address):
            results = await run_doctor(at(ada, address), exits=ExitCode.OK)
        assert {each.status for each in results.values()} == {"ok"}

    async def test_caddy_that_removes_upgrade_fails_websocket(self, site: Server, ada: Person, tmp_path: Path) -> None:
        address = f"http://127.0.0.1:{free_port()}"
        async with caddy(tmp_path, site.port, address, "header_up -Connection", "header_up -Upgrade"):
            check, result = worst(await run_doctor(at(ada, address), exits=ExitCode.UNREACHABLE))
        assert check == "websocket"
        assert "header_up" in result.advice

    async def test_caddy_without_an_upstream_fails_http(self, ada: Person, tmp_path: Path) -> None:
        address = f"http://127.0.0.1:{free_port()}"
        async with caddy(tmp_path, free_port(), address):
            check, result = worst(await run_doctor(at(ada, address), exits=ExitCode.UNREACHABLE))
        assert check == "http"
        assert result.seen.startswith("not Chatterbox: 502 Bad Gateway")

    async def test_caddy_with_another_site_name_fails_http(self, site: Server, ada: Person, tmp_path: Path) -> None:
        address = f"http://127.0.0.1:{free_port()}"
        async with caddy(tmp_path, site.port, address):
            here = at(ada, address.replace("127.0.0.1", "localhost"))
            check, result = worst(await run_doctor(here, exits=ExitCode.UNREACHABLE))
        assert check == "http"
        assert "no site of this name" in result.advice

    async def test_caddy_with_an_internal_certificate_fails_tls(
        self, site: Server, ada: Person, tmp_path: Path
    ) -> None:
        address = f"https://localhost:{free_port()}"
        async with caddy(tmp_path, site.port, address):
            check, result = worst(await run_doctor(at(ada, address), exits=ExitCode.UNREACHABLE))
        assert check == "tls"
        assert "SSL_CERT_FILE" in result.advice
