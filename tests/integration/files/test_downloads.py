"""Downloads: who may, ranges and conditions, and headers that keep a browser from running what strangers sent."""

import os

import pytest

from services.files import file_reads
from tests.support.files_site import FilesSite, StartFiles
from tests.support.history import code

CONTENT = bytes(range(100))


async def test_a_file_is_sent_as_a_download_that_no_browser_runs(site: FilesSite) -> None:
    file = await site.uploaded(b"<html><script>alert(1)</script>", "r\u00e9sum\u00e9.html")
    for path in (f"/files/{file['id']}", f"/files/{file['id']}/any.html"):
        headers = (await site.do("GET", path)).headers
        assert headers["content-type"] == "text/plain; charset=utf-8"
        disposition = "attachment; filename=\"r_sum_.html\"; filename*=UTF-8''r%C3%A9sum%C3%A9.html"
        assert headers["content-disposition"] == disposition
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["content-security-policy"] == "default-src 'none'; sandbox"
        assert headers["cache-control"] == "private, no-cache"


async def test_head_tells_what_get_would_send(site: FilesSite) -> None:
    file = await site.uploaded(CONTENT)
    whole = await site.do("GET", f"/files/{file['id']}")
    head = await site.do("HEAD", f"/files/{file['id']}")
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", "100")
    assert head.headers["etag"] == whole.headers["etag"]


@pytest.mark.parametrize(
    ("header", "first", "end"),
    [("bytes=0-9", 0, 10), ("bytes=90-", 90, 100), ("bytes=-1", 99, 100), ("bytes=50-5000", 50, 100)],
)
async def test_a_range_of_a_file_is_sent(site: FilesSite, header: str, first: int, end: int) -> None:
    file = await site.uploaded(CONTENT)
    answer = await site.do("GET", f"/files/{file['id']}", headers={"Range": header})
    assert (answer.status_code, answer.content) == (206, CONTENT[first:end])
    assert answer.headers["content-range"] == f"bytes {first}-{end - 1}/100"
    assert answer.headers["content-length"] == str(end - first)


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=-0", "bytes=500-600"])
async def test_a_range_outside_of_the_file_is_refused(site: FilesSite, header: str) -> None:
    file = await site.uploaded(CONTENT)
    answer = await site.do("GET", f"/files/{file['id']}", headers={"Range": header})
    assert (answer.status_code, answer.headers["content-range"], answer.content) == (416, "bytes */100", b"")


@pytest.mark.parametrize("header", ["bytes=0-1,4-5", "bytes=9-1", "lines=1-2", "bytes=-", "x"])
async def test_the_whole_file_is_sent_for_a_range_that_is_not_supported(site: FilesSite, header: str) -> None:
    file = await site.uploaded(CONTENT)
    answer = await site.do("GET", f"/files/{file['id']}", headers={"Range": header})
    assert (answer.status_code, answer.content) == (200, CONTENT)


async def test_a_range_is_sent_only_of_the_file_that_if_range_names(site: FilesSite) -> None:
    file = await site.uploaded(CONTENT)
    etag = (await site.do("HEAD", f"/files/{file['id']}")).headers["etag"]
    for named, status in ((etag, 206), ('"other"', 200), (f"W/{etag}", 200)):
        answer = await site.do("GET", f"/files/{file['id']}", headers={"Range": "bytes=0-9", "If-Range": named})
        assert answer.status_code == status


async def test_a_file_that_the_client_has_is_not_sent_again(site: FilesSite) -> None:
    file = await site.uploaded(CONTENT)
    etag = (await site.do("HEAD", f"/files/{file['id']}")).headers["etag"]
    answer = await site.do("GET", f"/files/{file['id']}", headers={"If-None-Match": etag})
    assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", etag)


@pytest.mark.parametrize("file_id", ["0" * 32, "x", "%2e%2e", "uploads", "0" * 32 + ".256"])
async def test_a_file_that_does_not_exist_is_unknown(site: FilesSite, file_id: str) -> None:
    assert code(await site.do("GET", f"/files/{file_id}/name")) == (404, "file_unknown")


async def test_a_file_that_history_does_not_allow_is_unknown(site: FilesSite) -> None:
    file = await site.uploaded(CONTENT)
    site.auth.token("bob")
    site.history.forbidden = {site.auth.names["bob"]}
    for path in ("", "/name", "/previews/256"):
        assert code(await site.do("GET", f"/files/{file['id']}{path}", "bob")) == (404, "file_unknown")


async def test_access_is_asked_for_again_after_a_second(site: FilesSite, monkeypatch: pytest.MonkeyPatch) -> None:
    file = await site.uploaded(CONTENT)
    for _ in range(5):
        await site.do("GET", f"/files/{file['id']}")
    assert site.history.asked.count("files/access") < 5
    site.history.forbidden = {site.auth.names["alice"]}
    monkeypatch.setattr(file_reads, "ALLOWED_S", 0.0)
    assert code(await site.do("GET", f"/files/{file['id']}")) == (404, "file_unknown")


async def test_files_are_not_read_while_history_does_not_answer(site: FilesSite) -> None:
    file = await site.uploaded(CONTENT)
    site.history.away = {"files/access"}
    assert code(await site.do("GET", f"/files/{file['id']}")) == (503, "unavailable")


async def test_a_running_download_ends_when_its_reader_loses_access(
    site: FilesSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_reads, "ALLOWED_S", 0.0)
    file = await site.uploaded(os.urandom(30 * 2**20))
    reader, writer = await site.connection("GET", f"/files/{file['id']}", {})
    received = len(await reader.readexactly(100_000))
    site.history.forbidden = {site.auth.names["alice"]}
    while block := await reader.read(2**16):
        received += len(block)
    writer.close()
    assert received < 29 * 2**20


async def test_the_rate_of_reads_is_limited(start: StartFiles) -> None:
    async with start(file_reads_burst=2, file_reads_per_s=0.001) as site:
        file = await site.uploaded(CONTENT)
        answers = [await site.do("GET", f"/files/{file['id']}") for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200, 200, 429]
        assert code(await site.do("OPTIONS", "/files/uploads")) == (429, "rate_limited")
