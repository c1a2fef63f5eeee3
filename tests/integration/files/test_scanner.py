"""The virus scanner sees every file before it can be read; while it does not answer, files are refused."""

from pathlib import Path

import pytest

from services.files.uploads import virus_scanner
from tests.support.clamd import EICAR, clamd, clamd_on_tcp
from tests.support.files_site import FilesSite, StartFiles
from tests.support.history import code
from tests.support.pictures import picture

CONTENT = bytes(range(256)) * 4000


async def test_a_clean_file_is_scanned_whole_before_it_is_stored(start: StartFiles, tmp_path: Path) -> None:
    async with clamd(tmp_path / "socket") as scanner, start(scan=str(tmp_path / "socket")) as site:
        await site.uploaded(CONTENT)
        assert scanner.scanned == [CONTENT]


async def test_a_scanner_may_be_at_an_address(start: StartFiles) -> None:
    async with clamd_on_tcp() as (scanner, address), start(scan=address) as site:
        await site.uploaded(CONTENT)
        assert code(await site.post(EICAR)) == (415, "file_refused")
        assert scanner.scanned == [CONTENT, EICAR]


async def test_a_file_in_which_the_scanner_finds_something_is_refused_and_gone(
    start: StartFiles, tmp_path: Path
) -> None:
    async with clamd(tmp_path / "socket"), start(scan=str(tmp_path / "socket")) as site:
        refused = await site.post(EICAR)
        assert code(refused) == (415, "file_refused")
        assert refused.json()["detail"] == "The server's scanner found malicious content in the file."
        assert site.stored() == []
        assert "uploads" not in site.history.asked


async def test_an_upload_in_chunks_and_an_avatar_are_scanned_too(start: StartFiles, tmp_path: Path) -> None:
    async with clamd(tmp_path / "socket") as scanner, start(scan=str(tmp_path / "socket")) as site:
        path = await site.begun(len(EICAR))
        await site.append(path, 0, EICAR[:20])
        assert code(await site.append(path, 20, EICAR[20:])) == (415, "file_refused")
        assert code(await site.append(path, 20, EICAR[20:])) == (404, "upload_unknown")
        infected = picture("PNG", trailer=EICAR)
        assert code(await site.do("PUT", "/me/avatar", content=infected)) == (415, "file_refused")
        assert scanner.scanned == [EICAR, infected]
        assert site.stored() == []


async def refused_with_everything_gone(site: FilesSite) -> None:
    refused = await site.post(CONTENT)
    assert code(refused) == (503, "unavailable")
    assert "can't scan files" in refused.json()["detail"]
    assert site.stored() == []
    assert code(await site.do("PUT", "/me/avatar", content=picture("PNG"))) == (503, "unavailable")


async def test_files_are_refused_while_there_is_no_scanner(start: StartFiles, tmp_path: Path) -> None:
    async with start(scan=str(tmp_path / "socket")) as site:
        await refused_with_everything_gone(site)
        async with clamd(tmp_path / "socket"):
            await site.uploaded(CONTENT)


@pytest.mark.parametrize("answer", [b"", b"stream: OK", b"COMMAND READ TIMED OUT ERROR\0", b"\xff\0", b"OK OK\0"])
async def test_files_are_refused_unless_the_scanner_clearly_calls_them_clean(
    start: StartFiles, tmp_path: Path, answer: bytes
) -> None:
    async with clamd(tmp_path / "socket") as scanner, start(scan=str(tmp_path / "socket")) as site:
        scanner.answer = answer
        await refused_with_everything_gone(site)


async def test_a_file_that_is_too_large_for_the_scanner_is_refused(start: StartFiles, tmp_path: Path) -> None:
    async with clamd(tmp_path / "socket") as scanner, start(scan=str(tmp_path / "socket")) as site:
        scanner.most = 1000
        await refused_with_everything_gone(site)


async def test_files_are_refused_when_a_scan_takes_too_long(
    start: StartFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(virus_scanner, "SCAN_S", 0.2)
    async with clamd(tmp_path / "socket") as scanner, start(scan=str(tmp_path / "socket")) as site:
        scanner.hangs = True
        await refused_with_everything_gone(site)


async def test_the_last_chunk_is_sent_again_when_the_scanner_is_back(start: StartFiles, tmp_path: Path) -> None:
    async with start(scan=str(tmp_path / "socket")) as site:
        path = await site.begun(8)
        await site.append(path, 0, b"text")
        assert code(await site.append(path, 4, b"more")) == (503, "unavailable")
        assert await site.offset(path) == 4
        async with clamd(tmp_path / "socket") as scanner:
            assert (await site.append(path, 4, b"more")).status_code == 204
            assert scanner.scanned == [b"textmore"]
