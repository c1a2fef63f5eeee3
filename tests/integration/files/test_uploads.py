"""Uploads in one request: what is stored, what is refused, and that nothing is left of what is refused."""

import asyncio
import hashlib
import os
import stat
from collections.abc import AsyncIterator

import pytest

from chatterbox.wire.limits import Limits
from tests.support.files_site import FilesSite, StartFiles
from tests.support.history import code
from tests.support.waiting import until

SMALL = Limits(file_bytes=1000)


async def test_an_uploaded_file_is_described_told_to_history_and_read_back(site: FilesSite) -> None:
    content = os.urandom(3_000_000)
    file = await site.uploaded(content, "report.bin")
    assert file == {
        "id": file["id"], "name": "report.bin", "type": "application/octet-stream", "size": len(content)
    }  # fmt: skip
    assert site.history.files[file["id"]].name == "report.bin"
    assert site.history.owners[file["id"]] == site.auth.names["alice"]
    assert (await site.do("GET", f"/files/{file['id']}")).content == content


async def test_a_stored_file_is_readable_by_its_owner_only_in_a_folder_of_its_id(site: FilesSite) -> None:
    file = await site.uploaded(b"text")
    path = site.settings.folder / file["id"][:2] / file["id"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(file["id"]) == 32
    assert site.stored() == [file["id"]]


async def test_a_file_without_content_length_is_taken_up_to_the_limit(start: StartFiles) -> None:
    async def body(size: int) -> AsyncIterator[bytes]:
        for _ in range(size):
            yield b"x"

    async with start(limits=SMALL) as site:
        assert (await site.uploaded(body(1000)))["size"] == 1000
        assert code(await site.post(body(1001))) == (413, "file_too_large")
        assert len(site.stored()) == 1


@pytest.mark.parametrize("size", [1001, 5_000_000])
async def test_a_file_beyond_the_limit_is_refused_by_its_content_length(start: StartFiles, size: int) -> None:
    async with start(limits=SMALL) as site:
        assert code(await site.post(bytes(size))) == (413, "file_too_large")
        assert site.stored() == []
        assert "uploads/check" not in site.history.asked


async def test_an_empty_file_is_refused(site: FilesSite) -> None:
    assert code(await site.post(b"")) == (415, "file_refused")


async def test_an_upload_for_a_room_that_history_refuses_is_refused(site: FilesSite) -> None:
    assert code(await site.post(b"text", room="secret")) == (404, "room_unknown")
    assert site.stored() == []


@pytest.mark.parametrize("away", ["uploads/check", "uploads"])
async def test_an_upload_leaves_nothing_while_history_does_not_answer(site: FilesSite, away: str) -> None:
    site.history.away = {away}
    assert code(await site.post(b"text")) == (503, "unavailable")
    assert site.stored() == []
    site.history.away = set()
    assert (await site.uploaded(b"text"))["size"] == 4


@pytest.mark.parametrize("method", ["POST /files", "PUT /me/avatar", "GET /files/x", "OPTIONS /files/uploads"])
async def test_a_request_without_a_token_is_refused(site: FilesSite, method: str) -> None:
    verb, path = method.split()
    assert code(await site.http.request(verb, path, content=b"x")) == (401, "token_missing")


async def test_no_token_is_accepted_until_the_ended_sessions_are_known(start: StartFiles) -> None:
    async with start() as site:
        token = site.headers()
    site.auth.revocations_away = True
    async with start() as site:
        assert code(await site.http.post("/files", headers=token, content=b"x")) == (503, "unavailable")
        assert code(await site.http.get("/health/ready")) == (503, "unavailable")


async def test_the_token_of_an_ended_session_is_refused(site: FilesSite) -> None:
    site.auth.revoked.sids.append("s-1")

    async def is_refused() -> bool:
        return (await site.post(b"x")).status_code != 201

    await until(is_refused, 10)
    assert code(await site.post(b"x")) == (401, "session_ended")


async def test_the_files_of_a_user_stay_within_the_quota(start: StartFiles) -> None:
    async with start(quota_bytes=1000) as site:
        await site.uploaded(bytes(600))
        assert code(await site.post(bytes(401))) == (507, "quota_full")
        await site.uploaded(bytes(400), user="bob")
        await site.uploaded(bytes(400))
        assert code(await site.post(b"x")) == (507, "quota_full")


async def test_a_file_of_unknown_length_stays_within_the_quota(start: StartFiles) -> None:
    async def body() -> AsyncIterator[bytes]:
        yield bytes(500)
        yield bytes(501)

    async with start(quota_bytes=1000) as site:
        assert code(await site.post(body())) == (507, "quota_full")
        await site.uploaded(bytes(1000))


async def test_uploads_are_refused_when_the_disk_would_be_too_full(start: StartFiles) -> None:
    async with start(disk_usage=lambda _: (1000, 840, 160)) as site:
        assert code(await site.post(bytes(11))) == (507, "quota_full")
        await site.uploaded(bytes(10))


async def test_uploads_are_refused_when_the_disk_becomes_too_full_meanwhile(start: StartFiles) -> None:
    used = iter([0, 0, 10**9])

    async with start(disk_usage=lambda _: (10**9, next(used), 0)) as site:
        assert code(await site.post(bytes(3_000_000))) == (507, "quota_full")
        assert site.stored() == []


async def test_a_user_uploads_three_files_at_once(site: FilesSite) -> None:
    release = asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        yield b"begin"
        await release.wait()
        yield b"end"

    uploads = [asyncio.create_task(site.post(body())) for _ in range(3)]
    await until(lambda: site.app.context.limits.at_once == 3, 10)
    assert code(await site.post(b"x")) == (409, "too_many_files")
    await site.uploaded(b"x", user="bob")
    release.set()
    assert {answer.status_code for answer in await asyncio.gather(*uploads)} == {201}
    await site.uploaded(b"x")


async def test_nothing_is_left_of_an_upload_whose_client_disconnects(site: FilesSite) -> None:
    _, writer = await site.connection("POST", "/files?name=x", {"Content-Length": "5000000"})
    writer.write(bytes(3_000_000))
    await writer.drain()
    await until(lambda: site.stored() != [], 10)
    writer.close()
    await until(lambda: site.stored() == [], 10)
    assert (await site.uploaded(b"x"))["size"] == 1


@pytest.mark.timing
async def test_an_upload_slower_than_the_least_speed_is_refused_after_ten_seconds(site: FilesSite) -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    reader, writer = await site.connection("POST", "/files?name=x", {"Content-Length": "5000000"})
    writer.write(bytes(100_000))
    answer = await reader.readuntil(b"}")
    writer.close()
    assert answer.startswith(b"HTTP/1.1 422 ")
    assert b"slower than 64 KiB per second" in answer
    assert 10 < loop.time() - began < 20
    assert site.stored() == []


@pytest.mark.timing
async def test_an_upload_may_take_longer_than_other_requests(site: FilesSite) -> None:
    async def body() -> AsyncIterator[bytes]:
        for _ in range(13):
            yield bytes(100_000)
            await asyncio.sleep(1)  # fixed: longer in all than other requests may take

    assert (await site.uploaded(body()))["size"] == 1_300_000


async def test_the_rate_of_uploads_is_limited(start: StartFiles) -> None:
    async with start(uploads_burst=2, uploads_per_hour=1) as site:
        for _ in range(2):
            await site.uploaded(b"x")
        refused = await site.post(b"x")
        assert code(refused) == (429, "rate_limited")
        assert code(await site.begin(1)) == (429, "rate_limited")
        assert refused.json()["detail"].startswith("Too many uploads: at most 2 at once")
        await site.uploaded(b"x", user="bob")


async def test_the_checksum_of_each_file_is_stored(site: FilesSite) -> None:
    file = await site.uploaded(b"text")
    rows = await site.app.context.database.rows("SELECT sha256 FROM files WHERE id = ?", (file["id"],))
    assert rows == [(hashlib.sha256(b"text").hexdigest(),)]


async def test_a_file_name_is_cleaned_and_the_type_is_found_in_the_content(site: FilesSite) -> None:
    file = await site.uploaded(b"<script>alert(1)</script>", "../../\u202egpj.exe")
    assert (file["name"], file["type"]) == ("gpj.exe", "text/plain")


async def test_what_a_crash_left_of_an_upload_is_removed_at_the_start(start: StartFiles) -> None:
    async with start() as site:
        staged = site.settings.folder / "staged"
    (staged / "left").write_bytes(b"x")
    async with start() as site:
        assert site.stored() == []
