"""Contract tests of file storages: what every implementation of `FileStorage` does."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from services.files.storage.disk_storage import DiskStorage
from services.files.storage.file_storage import FileStorage
from tests.support.memory_storage import MemoryStorage

STORAGES: dict[str, Callable[[Path], FileStorage]] = {
    "disk": lambda folder: DiskStorage(folder / "files"),
    "memory": lambda _: MemoryStorage(),
}
ADA, BOB = "ad" * 16, "b0" * 16


@pytest.fixture(params=STORAGES)
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> FileStorage:
    return STORAGES[request.param](tmp_path)


@pytest.fixture
def source(tmp_path: Path) -> Callable[[bytes], Path]:
    """Makes a local file."""

    def make(content: bytes) -> Path:
        path = tmp_path / os.urandom(8).hex()
        path.write_bytes(content)
        return path

    return make


async def read(storage: FileStorage, key: str, start: int = 0, end: int | None = None) -> bytes:
    async with storage.open(key) as opened:
        return b"".join([block async for block in opened.blocks(start, opened.size if end is None else end)])


async def keys(storage: FileStorage) -> set[str]:
    return {key async for key in storage.keys()}  # noqa: SIM118 - no dict


async def test_what_is_stored_is_read_back_and_its_source_is_gone(
    storage: FileStorage, source: Callable[[bytes], Path]
) -> None:
    content = os.urandom(1_000_000)
    await storage.put(ADA, path := source(content))
    assert not path.exists()
    assert await read(storage, ADA) == content


async def test_any_range_can_be_read(storage: FileStorage, source: Callable[[bytes], Path]) -> None:
    content = os.urandom(600_000)
    await storage.put(ADA, source(content))
    for start, end in ((0, 0), (0, 1), (599_999, 600_000), (100, 500_000)):
        assert await read(storage, ADA, start, end) == content[start:end]


async def test_a_range_beyond_the_end_raises(storage: FileStorage, source: Callable[[bytes], Path]) -> None:
    await storage.put(ADA, source(b"text"))
    with pytest.raises(EOFError):
        await read(storage, ADA, 0, 5)


@pytest.mark.parametrize("key", [BOB, f"{ADA}.256", "", "../x", "/etc/passwd", "AD" * 16])
async def test_a_key_without_a_file_is_not_found(
    storage: FileStorage, source: Callable[[bytes], Path], key: str
) -> None:
    await storage.put(ADA, source(b"text"))
    with pytest.raises(FileNotFoundError):
        await read(storage, key)


async def test_deleting_a_file_deletes_its_previews_and_no_other_file(
    storage: FileStorage, source: Callable[[bytes], Path]
) -> None:
    neighbour = f"{ADA[:-1]}0"
    for key in (ADA, f"{ADA}.256", f"{ADA}.1280", neighbour, BOB):
        await storage.put(key, source(key.encode()))
    await storage.delete(ADA)
    assert await keys(storage) == {neighbour, BOB}
    await storage.delete(ADA)


async def test_a_file_that_is_being_read_stays_readable_when_it_is_deleted(
    storage: FileStorage, source: Callable[[bytes], Path]
) -> None:
    await storage.put(ADA, source(b"text"))
    async with storage.open(ADA) as opened:
        await storage.delete(ADA)
        assert b"".join([block async for block in opened.blocks(0, opened.size)]) == b"text"


async def test_all_keys_are_listed(storage: FileStorage, source: Callable[[bytes], Path]) -> None:
    assert await keys(storage) == set()
    for key in (ADA, f"{ADA}.64", BOB):
        await storage.put(key, source(b"x"))
    assert await keys(storage) == {ADA, f"{ADA}.64", BOB}
