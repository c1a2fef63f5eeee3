"""Files in the single process: from the upload to the erasure, and a server without them."""

import os
from pathlib import Path

import httpx

from tests.support.server import running
from tests.support.waiting import until


async def test_a_file_is_uploaded_sent_read_and_erased_with_its_message(tmp_path: Path) -> None:
    content = os.urandom(300_000)
    async with running(tmp_path) as server:
        ada, bob = [{"Authorization": f"Bearer {await server.newcomer(name)}"} for name in ("ada", "bob")]
        await server.http.get("/me", headers=bob)  # makes him a member
        uploaded = await server.http.post("/files?room=general&name=plan.bin", content=content, headers=ada)
        assert uploaded.status_code == 201, uploaded.text
        path = f"/files/{uploaded.json()['id']}"
        assert (await server.http.get(path, headers=bob)).status_code == 404
        message = {"room": "general", "content": "the plan", "files": [uploaded.json()["id"]]}
        sent = (await server.http.post("/messages", json=message, headers=ada)).raise_for_status().json()
        assert (await server.http.get(f"{path}/plan.bin", headers=bob)).content == content
        erased = await server.http.delete(f"/rooms/general/messages/{sent['offset']}", headers=ada)
        assert erased.is_success, erased.text

        async def is_gone() -> bool:
            try:
                return (await server.http.get(path, headers=bob)).status_code == 404
            except httpx.RemoteProtocolError:  # erased while it was sent: the download ends
                return False

        await until(is_gone, 5)
        await until(lambda: not list((tmp_path / "files").rglob(uploaded.json()["id"])), 30)


async def test_a_server_without_files_does_everything_else(tmp_path: Path) -> None:
    async with running(tmp_path, files="off") as server:
        ada = {"Authorization": f"Bearer {await server.newcomer('ada')}"}
        for method, path in (("POST", "/files"), ("PUT", "/me/avatar"), ("GET", "/files/x"), ("GET", "/avatars/x/64")):
            refused = await server.http.request(method, path, content=b"x", headers=ada)
            assert (refused.status_code, refused.json()["code"]) == (503, "unavailable")
        assert (await server.http.get("/me", headers=ada)).status_code == 200
        assert (await server.http.post("/messages", json={"room": "general", "content": "hi"}, headers=ada)).is_success
        assert not (tmp_path / "files.sqlite").exists()
        assert (await server.http.get("/health/ready")).json() == {
            "status": "ok", "auth": "ok", "history": "ok", "gateway": "ok"
        }  # fmt: skip
