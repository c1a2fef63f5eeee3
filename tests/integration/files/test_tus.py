"""Uploads in chunks follow tus 1.0.0: creation, expiration, checksum, termination, and resuming."""

import asyncio
import base64
import hashlib
import os
from collections.abc import AsyncIterator

import pytest

from tests.support.files_site import CHUNK, TUS, FilesSite, StartFiles
from tests.support.history import code
from tests.support.waiting import until

DAY_MS = 24 * 3600 * 1000


async def test_an_upload_in_chunks_becomes_a_file_with_its_id(site: FilesSite) -> None:
    content = os.urandom(10_000)
    path = await site.begun(len(content), filename="b.bin")
    for start in range(0, len(content), 4000):
        assert await site.offset(path) == start
        answer = await site.append(path, start, content[start : start + 4000])
        assert (answer.status_code, answer.headers["tus-resumable"]) == (204, "1.0.0")
        assert int(answer.headers["upload-offset"]) == min(start + 4000, len(content))
    file_id = path.rpartition("/")[2]
    assert site.history.files[file_id].name == "b.bin"
    assert (await site.do("GET", f"/files/{file_id}")).content == content
    assert site.stored() == [file_id]


async def test_the_offset_of_a_complete_upload_is_its_length(site: FilesSite) -> None:
    path = await site.begun(4)
    await site.append(path, 0, b"text")
    assert await site.offset(path) == 4
    assert code(await site.append(path, 4, b"")) == (404, "upload_unknown")


async def test_what_of_tus_is_supported_is_told(site: FilesSite) -> None:
    answer = await site.do("OPTIONS", "/files/uploads")
    assert answer.status_code == 204
    told = {name: value for name, value in answer.headers.items() if name.startswith("tus-")}
    assert told == {
        "tus-resumable": "1.0.0",
        "tus-version": "1.0.0",
        "tus-extension": "creation,expiration,checksum,termination",
        "tus-max-size": str(100 * 2**20),
        "tus-checksum-algorithm": "sha1,sha256",
    }


@pytest.mark.parametrize("method", ["POST /files/uploads", "HEAD", "PATCH", "DELETE"])
async def test_another_version_of_tus_is_refused(site: FilesSite, method: str) -> None:
    verb, _, path = method.partition(" ")
    path = path or await site.begun(4)
    answer = await site.do(verb, path, headers={**CHUNK, "Tus-Resumable": "0.9.0", "Upload-Offset": "0"})
    assert (answer.status_code, answer.headers["tus-version"]) == (412, "1.0.0")


async def test_a_chunk_at_another_offset_is_refused(site: FilesSite) -> None:
    path = await site.begun(8)
    await site.append(path, 0, b"text")
    for offset in (0, 3, 5):
        answer = await site.append(path, offset, b"more")
        assert code(answer) == (409, "upload_conflict")
        assert answer.json()["detail"] == f"The upload is at offset 4, not {offset}."
    assert (await site.append(path, 4, b"more")).status_code == 204


async def test_two_chunks_at_once_of_one_upload_are_refused(site: FilesSite) -> None:
    release = asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        yield b"te"
        await release.wait()
        yield b"xt"

    path = await site.begun(4)
    first = asyncio.create_task(site.append(path, 0, body()))
    await until(lambda: site.app.context.limits.at_once == 1, 10)
    assert code(await site.append(path, 0, b"text")) == (409, "upload_conflict")
    assert code(await site.do("DELETE", path, headers=TUS)) == (409, "upload_conflict")
    release.set()
    assert (await first).status_code == 204


@pytest.mark.parametrize("algorithm", ["sha1", "sha256"])
async def test_a_chunk_with_a_wrong_checksum_is_discarded(site: FilesSite, algorithm: str) -> None:
    def header(content: bytes) -> str:
        return f"{algorithm} {base64.b64encode(hashlib.new(algorithm, content).digest()).decode()}"

    path = await site.begun(4)
    answer = await site.append(path, 0, b"texx", Upload_Checksum=header(b"text"))
    assert code(answer) == (460, "upload_conflict")
    assert await site.offset(path) == 0
    assert (await site.append(path, 0, b"text", Upload_Checksum=header(b"text"))).status_code == 204


@pytest.mark.parametrize("checksum", ["md5 AAAA", "sha1", "sha1 !", "", "sha1 AAAA,sha1 AAAA"])
async def test_a_malformed_checksum_is_refused(site: FilesSite, checksum: str) -> None:
    path = await site.begun(4)
    assert code(await site.append(path, 0, b"text", Upload_Checksum=checksum)) == (400, "bad_request")
    assert await site.offset(path) == 0


@pytest.mark.parametrize("size", [8 * 2**20 + 1, 20 * 2**20])
async def test_a_chunk_of_more_than_8_mib_is_refused(site: FilesSite, size: int) -> None:
    async def body() -> AsyncIterator[bytes]:
        yield bytes(size)

    path = await site.begun(50 * 2**20)
    for content in (bytes(size), body()):
        assert code(await site.append(path, 0, content)) == (413, "file_too_large")


async def test_a_chunk_beyond_the_length_of_the_upload_is_refused(site: FilesSite) -> None:
    path = await site.begun(4)
    assert code(await site.append(path, 0, b"texts")) == (413, "file_too_large")
    assert await site.offset(path) == 0


async def test_what_arrived_before_a_connection_broke_is_kept(site: FilesSite) -> None:
    path = await site.begun(5_000_000)
    _, writer = await site.connection("PATCH", path, {**CHUNK, "Upload-Offset": "0", "Content-Length": "5000000"})
    writer.write(b"a" * 3_000_000)
    await writer.drain()
    staged = site.settings.folder / "staged" / path.rpartition("/")[2]
    await until(lambda: staged.exists() and staged.stat().st_size >= 2 * 2**20, 10)
    writer.close()

    async def has_moved_on() -> bool:
        return await site.offset(path) > 0

    await until(has_moved_on, 10)
    offset = await site.offset(path)
    assert 2 * 2**20 <= offset <= 3_000_000
    assert (await site.append(path, offset, b"a" * (5_000_000 - offset))).status_code == 204
    assert (await site.do("GET", path.replace("/uploads", ""))).content == b"a" * 5_000_000


async def test_an_upload_goes_on_after_a_restart(start: StartFiles) -> None:
    async with start() as site:
        path = await site.begun(8)
        untouched = await site.begun(8)
        await site.append(path, 0, b"text")
    async with start() as site:
        assert await site.offset(path) == 4
        assert (await site.append(path, 4, b"more")).status_code == 204
        assert (await site.append(untouched, 0, b"whole...")).status_code == 204


async def test_uploads_are_of_their_user_only(site: FilesSite) -> None:
    path = await site.begun(4)
    for method in ("HEAD", "PATCH", "DELETE"):
        answer = await site.do(method, path, "bob", headers={**CHUNK, "Upload-Offset": "0"}, content=b"")
        assert answer.status_code == 404
    await site.append(path, 0, b"text")
    assert (await site.do("HEAD", path, "bob", headers=TUS)).status_code == 404


async def test_an_upload_that_is_ended_is_gone_and_gives_its_space_back(start: StartFiles) -> None:
    async with start(quota_bytes=10) as site:
        path = await site.begun(10)
        await site.append(path, 0, b"text")
        assert code(await site.begin(1)) == (507, "quota_full")
        assert (await site.do("DELETE", path, headers=TUS)).status_code == 204
        assert code(await site.append(path, 4, b"more")) == (404, "upload_unknown")
        assert site.stored() == []
        await site.begun(10)


async def test_an_unfinished_upload_expires_after_a_day(site: FilesSite) -> None:
    answer = await site.begin(8)
    assert answer.headers["upload-expires"].endswith("GMT")
    path = f"/files/{answer.headers['location']}"
    await site.append(path, 0, b"text")
    token = site.headers()
    site.clock.now += DAY_MS - 1
    await site.app.context.uploads.expire()
    assert site.stored() != []
    site.clock.now += 1
    assert code(await site.append(path, 4, b"more")) == (404, "upload_unknown")
    await site.app.context.uploads.expire()
    assert site.stored() == []
    assert token is not None


@pytest.mark.parametrize(
    ("header", "value"),
    [("Upload-Length", "x"), ("Upload-Length", "-1"), ("Upload-Length", ""), ("Upload-Metadata", "room !")],
)
async def test_a_malformed_header_of_a_new_upload_is_refused(site: FilesSite, header: str, value: str) -> None:
    answer = await site.do("POST", "/files/uploads", headers={**TUS, "Upload-Length": "4", header: value})
    assert code(answer) == (400, "bad_request")


async def test_a_chunk_of_another_content_type_is_refused(site: FilesSite) -> None:
    path = await site.begun(4)
    assert code(await site.append(path, 0, b"text", Content_Type="text/plain")) == (415, "bad_request")


async def test_too_large_and_empty_uploads_are_refused_at_the_creation(site: FilesSite) -> None:
    assert code(await site.begin(100 * 2**20 + 1)) == (413, "file_too_large")
    assert code(await site.begin(0)) == (415, "file_refused")


async def test_the_room_may_be_told_in_the_query_or_in_the_metadata(site: FilesSite) -> None:
    answer = await site.do("POST", "/files/uploads?room=board&name=q.txt", headers={**TUS, "Upload-Length": "4"})
    path = f"/files/{answer.headers['location']}"
    await site.append(path, 0, b"text")
    assert site.history.files[path.rpartition("/")[2]].name == "q.txt"
    assert code(await site.begin(4, metadata={"room": "secret"})) == (404, "room_unknown")


async def test_an_upload_that_history_was_not_told_of_ends(site: FilesSite) -> None:
    """The file that history was not told of is gone: the upload is begun again."""
    path = await site.begun(4)
    site.history.away = {"uploads"}
    assert code(await site.append(path, 0, b"text")) == (503, "unavailable")
    assert site.stored() == []
    assert code(await site.append(path, 0, b"text")) == (404, "upload_unknown")
