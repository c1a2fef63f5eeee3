"""Files through the edge: as separate processes, with the real Caddy in front."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from services.processes.process_plan import ProcessPorts
from tests.integration.processes.test_edge import started
from tests.support.loopback import NO_TLS
from tests.support.topology import Topology
from tests.support.waiting import until


@pytest.fixture
async def edge(whole: Topology, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the edge, logged in."""
    await whole.files.start()
    await whole.files.until_ready()
    ports = ProcessPorts(1, whole.auth.port, whole.history.port, (whole.gateways[0].port,), whole.files.port)
    token = await whole.newcomer(f"ada-{os.urandom(4).hex()}")
    with started(tmp_path, ports) as port:
        async with httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}",
            headers={"Authorization": f"Bearer {token}"},
            trust_env=False,
            verify=NO_TLS,
            timeout=60,
        ) as http:

            async def listens() -> bool:
                try:
                    return (await http.get("/me")).status_code == 200
                except httpx.ConnectError:
                    return False

            await until(listens, 20)
            yield http
    await whole.files.kill()


@pytest.mark.timing
async def test_a_large_and_a_slow_upload_pass_the_edge_and_other_large_bodies_do_not(edge: httpx.AsyncClient) -> None:
    """The slow one takes longer than the services wait for other requests."""

    async def slow() -> AsyncIterator[bytes]:
        for _ in range(12):
            yield bytes(100_000)
            await asyncio.sleep(1)  # fixed: longer than other requests may take

    for content, size in ((os.urandom(9_000_000), 9_000_000), (slow(), 1_200_000)):
        answer = await edge.post("/files?room=general&name=a.bin", content=content)
        assert (answer.status_code, answer.json().get("size")) == (201, size), answer.text
        read = await edge.get(f"/files/{answer.json()['id']}/a.bin", headers={"Range": f"bytes={size - 2}-"})
        assert (read.status_code, len(read.content)) == (206, 2)
    assert (await edge.post("/rooms", content=bytes(70_000))).status_code == 413


async def test_a_message_has_the_file_and_its_deletion_erases_it(edge: httpx.AsyncClient) -> None:
    file = (await edge.post("/files?room=general&name=a.txt", content=b"text")).raise_for_status().json()
    sent = await edge.post("/messages", json={"room": "general", "content": "", "files": [file["id"]]})
    assert sent.is_success, sent.text
    offset = sent.json()["offset"]
    assert (await edge.get(f"/files/{file['id']}")).content == b"text"
    (await edge.delete(f"/rooms/general/messages/{offset}")).raise_for_status()

    async def is_gone() -> bool:
        try:
            return (await edge.get(f"/files/{file['id']}")).status_code == 404
        except httpx.RemoteProtocolError:  # erased while it was sent: the download ends
            return False

    await until(is_gone, 30)


async def test_without_the_files_service_uploads_are_unavailable_and_messages_are_sent(
    edge: httpx.AsyncClient, whole: Topology
) -> None:
    await whole.files.kill()
    refused = await edge.post("/files?room=general&name=a.txt", content=b"text")
    assert (refused.status_code, refused.json()["code"]) == (503, "unavailable")
    assert (await edge.post("/messages", json={"room": "general", "content": "still here"})).is_success
