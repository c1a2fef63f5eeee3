"""Backup, restore and verification of the files service's data."""

import asyncio
from pathlib import Path

import pytest

from chatterbox.chassis.operator_errors import OperatorError
from services.files.storage.file_backup import back_up_files, restore_files, verify_files
from tests.support.files_site import FilesSite, StartFiles
from tests.support.pictures import picture


def back_up(site: FilesSite, folder: Path) -> None:
    back_up_files(site.settings.database, site.settings.folder, folder)


async def test_a_backup_taken_while_the_service_runs_brings_everything_back(start: StartFiles, tmp_path: Path) -> None:
    async with start() as site:
        file = await site.uploaded(picture("PNG"), "a.png")
        upload = await site.begun(8)
        await site.append(upload, 0, b"text")
        await asyncio.to_thread(back_up, site, tmp_path / "backup")
        later = await site.uploaded(b"later")
        paths = [f"/files/{file['id']}{end}" for end in ("", "/previews/256", "/previews/1280")]
        contents = [(await site.do("GET", path)).content for path in paths]
    database, folder = site.settings.database, site.settings.folder
    kept = restore_files(database, folder, tmp_path / "backup")
    assert {path.name for path in kept} == {"files.before-restore-1.sqlite", "files.before-restore-1"}
    assert (kept[1] / later["id"][:2] / later["id"]).read_bytes() == b"later"
    assert await verify_files(database, folder) == 1
    async with start() as site:
        assert [(await site.do("GET", path)).content for path in paths] == contents
        assert (await site.do("GET", f"/files/{later['id']}")).status_code == 404
        assert (await site.append(upload, 4, b"more")).status_code == 404
        assert all(path.stat().st_mode & 0o077 == 0 for path in (tmp_path / "backup").rglob("*"))


async def test_a_second_backup_to_the_same_folder_is_refused(site: FilesSite, tmp_path: Path) -> None:
    await asyncio.to_thread(back_up, site, tmp_path / "backup")
    with pytest.raises(OperatorError, match="already exists; choose a new folder"):
        await asyncio.to_thread(back_up, site, tmp_path / "backup")


async def test_a_folder_without_a_backup_is_not_restored(site: FilesSite, tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match=r"has no files\.sqlite or no folder files"):
        restore_files(site.settings.database, site.settings.folder, tmp_path)


async def test_a_running_service_is_not_restored(site: FilesSite, tmp_path: Path) -> None:
    file = await site.uploaded(b"text")
    await asyncio.to_thread(back_up, site, tmp_path / "backup")
    with pytest.raises(OperatorError, match="another Chatterbox runs"):
        await asyncio.to_thread(restore_files, site.settings.database, site.settings.folder, tmp_path / "backup")
    assert site.stored() == [file["id"]]


@pytest.mark.parametrize(("damage", "said"), [("change", "is damaged"), ("delete", "can't be read")])
async def test_verify_names_a_file_that_is_damaged_or_missing(site: FilesSite, damage: str, said: str) -> None:
    await site.uploaded(b"other")
    file = await site.uploaded(b"text", "plan.txt")
    assert await verify_files(site.settings.database, site.settings.folder) == 2
    path = site.settings.folder / file["id"][:2] / file["id"]
    if damage == "change":
        path.write_bytes(b"texx")
    else:
        path.unlink()
    with pytest.raises(OperatorError, match=rf"file {file['id']} \(plan.txt\) {said}"):
        await verify_files(site.settings.database, site.settings.folder)
