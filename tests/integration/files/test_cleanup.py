"""Files are removed when history says so, when history does not know them, and when nobody finished them."""

import pytest

from chatterbox.wire.errors import ChatError
from services.files import file_cleanup
from services.files.file_cleanup import FileCleanup
from services.files.history_files import HistoryFiles
from services.files.metrics import FilesMetrics
from services.files.storage.disk_storage import DiskStorage
from tests.support.files_site import FilesSite, StartFiles
from tests.support.history import code
from tests.support.pictures import picture
from tests.support.waiting import until

DAY_MS = 24 * 3600 * 1000


@pytest.fixture
def cleanup(site: FilesSite) -> FileCleanup:
    """Cleans up the site's files, one round at a time."""
    uploads = site.app.context.uploads
    table, history = uploads._table, uploads._history
    assert isinstance(history, HistoryFiles)
    return FileCleanup(DiskStorage(site.settings.folder), table, history, uploads, FilesMetrics(), site.clock)


async def test_a_file_that_history_lists_is_erased_with_its_previews_and_reported(site: FilesSite) -> None:
    """By the service's own loop."""
    erased, kept = await site.uploaded(picture("PNG")), await site.uploaded(b"text")
    site.history.to_erase = [erased["id"], "0" * 32]
    del site.history.files[erased["id"]]
    await until(lambda: site.history.to_erase == [], 20)
    assert site.stored() == [kept["id"]]
    assert code(await site.do("GET", f"/files/{erased['id']}")) == (404, "file_unknown")


async def test_an_erased_file_gives_its_space_back(start: StartFiles) -> None:
    async with start(quota_bytes=1000) as site:
        file = await site.uploaded(bytes(1000))
        site.history.to_erase = [file["id"]]
        await until(lambda: site.history.to_erase == [], 20)
        await site.uploaded(bytes(1000))


async def test_more_files_than_history_lists_at_once_are_erased(site: FilesSite, cleanup: FileCleanup) -> None:
    site.history.to_erase = [f"{number:032x}" for number in range(2500)]
    await cleanup.erase()
    assert site.history.to_erase == []


async def test_files_stay_listed_while_they_cannot_be_erased(
    site: FilesSite, cleanup: FileCleanup, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = await site.uploaded(b"text")

    async def failing(*_: object) -> None:
        raise OSError("the disk is broken")

    monkeypatch.setattr(DiskStorage, "delete", failing)
    site.history.to_erase = [file["id"]]
    with pytest.raises(OSError, match="broken"):
        await cleanup.erase()
    assert site.history.to_erase == [file["id"]]
    monkeypatch.undo()
    await cleanup.erase()
    assert site.stored() == []


async def test_files_that_history_does_not_know_are_removed_when_they_are_a_day_old(
    site: FilesSite, cleanup: FileCleanup
) -> None:
    named, unnamed = await site.uploaded(b"named"), await site.uploaded(b"unnamed")
    del site.history.files[unnamed["id"]]
    await cleanup.compare()
    assert len(site.stored()) == 2
    site.clock.now += DAY_MS + 1
    young = await site.uploaded(b"young")
    del site.history.files[young["id"]]
    await cleanup.compare()
    assert site.stored() == sorted([named["id"], young["id"]])


async def test_files_are_compared_in_pages(
    site: FilesSite, cleanup: FileCleanup, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_cleanup, "PAGE", 2)
    files = [await site.uploaded(b"x") for _ in range(5)]
    for file in files[1:4]:
        del site.history.files[file["id"]]
    site.clock.now += DAY_MS + 1
    await cleanup.compare()
    assert site.stored() == sorted([files[0]["id"], files[4]["id"]])


async def test_no_file_is_removed_while_history_does_not_answer(site: FilesSite, cleanup: FileCleanup) -> None:
    await site.uploaded(b"x")
    site.history.files.clear()
    site.history.away = {"files/named"}
    site.clock.now += DAY_MS + 1
    with pytest.raises(ChatError):
        await cleanup.compare()
    assert len(site.stored()) == 1


async def test_bytes_without_a_row_are_removed_but_those_of_uploads_and_avatars_are_not(
    site: FilesSite, cleanup: FileCleanup
) -> None:
    avatar = (await site.do("PUT", "/me/avatar", content=picture("PNG"))).json()["avatar"]
    file = await site.uploaded(b"x")
    path = await site.begun(8)
    await site.append(path, 0, b"text")
    lost = "ab" * 16
    (site.settings.folder / "ab").mkdir(exist_ok=True)
    for name in (lost, f"{lost}.256"):
        (site.settings.folder / "ab" / name).write_bytes(b"lost")
    before = [name for name in site.stored() if not name.startswith(lost)]
    site.clock.now += 1
    await cleanup.compare()
    assert site.stored() == before
    assert {file["id"], f"{avatar}.64", path.rpartition("/")[2]} <= set(before)
