"""`/health/ready` of the single process names what is not ready."""

from pathlib import Path

import pytest

from bench.growth.stored import fill
from chatterbox.chassis.sqlite import service_database
from tests.support.damage import without_indexes
from tests.support.server import Server, running
from tests.support.waiting import until

OK = {"status": "ok", "auth": "ok", "history": "ok", "gateway": "ok", "files": "ok"}


async def states(server: Server) -> tuple[int, dict[str, str]]:
    answer = await server.http.get("/health/ready")
    return answer.status_code, answer.json()


async def is_ready(server: Server) -> bool:
    return await states(server) == (200, OK)


async def test_the_single_process_is_ready_when_all_services_are(server: Server) -> None:
    await until(lambda: is_ready(server), 30)


async def test_a_draining_process_is_not_ready(tmp_path: Path) -> None:
    async with running(tmp_path) as server:
        await until(lambda: is_ready(server), 30)
        await server.whole.gateway.drain()
        assert await states(server) == (503, {**OK, "status": "unavailable", "gateway": "It is shutting down."})


async def test_a_process_with_a_damaged_database_is_not_ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(tmp_path):
        pass
    fill(tmp_path / "history.sqlite", "general", 2000)
    without_indexes(tmp_path / "history.sqlite", "UPDATE messages SET key = 'other' WHERE id = 100")
    monkeypatch.setattr(service_database, "SMALL_BYTES", 0)
    async with running(tmp_path) as server:

        async def is_found() -> bool:
            status, services = await states(server)
            return status == 503 and "damaged" in services["history"]

        await until(is_found, 30)
        assert (await server.http.get("/health/live")).status_code == 200
