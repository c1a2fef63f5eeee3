"""The client's transfers with the real files service and the real history: interrupted, continued, erased."""

import asyncio
import hashlib
import random
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest

from chatterbox.wire.errors import Code
from client.failures import ServerRefused, Unreachable
from client.net import file_transfers
from client.net.file_api import FileApi
from client.net.file_transfers import FileTransfers, LocalFile, Progress
from services.files import file_cleanup
from tests.integration.history.test_changes import change, delete
from tests.support import history as real_history
from tests.support.cable import Cable, cable
from tests.support.files_site import FilesSite, SmallHistory, running
from tests.support.history import Clock, FakeAuth, Service
from tests.support.waiting import MOST_S, until

MIB = 2**20


@dataclass
class Transfers:
    """Both services, and a cable between the client and the files service."""

    history: Service
    site: FilesSite
    cable: Cable
    folder: Path
    losses: int = 0
    """How often the connection was lost so far."""

    def by(self, user: str, progress: Progress = lambda *_: None) -> FileTransfers:
        server, token = f"http://127.0.0.1:{self.cable.port}", self.site.auth.token(user)
        return FileTransfers(lambda: FileApi(server, token), progress)

    def losing_at(self, *marks: int, mended: bool = True) -> Progress:
        """Cut the cable when a transfer reaches these numbers of bytes, and mend it at once if `mended`."""
        loop, left = asyncio.get_running_loop(), sorted(marks)

        async def lose() -> None:
            self.losses += 1
            self.cable.cut()
            if mended:
                self.cable.mend()

        def progress(done: int, _: int) -> None:
            if left and done >= left[0]:
                left.pop(0)
                asyncio.run_coroutine_threadsafe(lose(), loop).result(20)

        return progress

    async def upload(self, source: LocalFile, progress: Progress = lambda *_: None) -> str:
        upload: Callable[..., object] = self.by("alice", progress).upload
        await asyncio.to_thread(upload, source, "general", self.folder / "uploads")
        [file] = [each for each in self.site.stored() if len(each) == 32]
        return file

    async def send(self, file_id: str) -> int:
        answer = await self.history.do("POST", "/messages", "alice", {"content": "", "files": [file_id]})
        assert answer.status_code == 201, answer.text
        return int(answer.json()["offset"])

    async def download(self, user: str, file_id: str, progress: Progress = lambda *_: None) -> Path:
        return await asyncio.to_thread(self.by(user, progress).download, file_id, self.folder / user)


@pytest.fixture
async def transfers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Transfers]:
    monkeypatch.setattr(file_transfers, "RETRY_S", 0.01)
    monkeypatch.setattr(file_cleanup, "ERASE_S", 0.05)
    clock = Clock()
    auth = FakeAuth(clock)
    for user in ("bob", "eve"):
        (tmp_path / user).mkdir()
    async with (
        real_history.running(tmp_path / "history", auth, clock) as history,
        running(tmp_path / "files", auth, cast("SmallHistory", history), clock) as site,  # it has an `app`, too
        cable(port=site.port) as between,
    ):
        await history.greet("alice", "bob", "eve")
        yield Transfers(history, site, between, tmp_path)


def plan(folder: Path, size: int) -> LocalFile:
    path = folder / "the plan.bin"
    path.write_bytes(random.Random(7).randbytes(size))
    return LocalFile.of(path, size)


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


async def test_file_is_sent_interrupted_resumed_saved_and_erased_with_its_message(transfers: Transfers) -> None:
    source = plan(transfers.folder, 20 * MIB)
    with pytest.raises(Unreachable):
        await transfers.upload(source, transfers.losing_at(5 * MIB, mended=False))
    transfers.cable.mend()
    file_id = await transfers.upload(source, transfers.losing_at(7 * MIB, 15 * MIB))
    offset = await transfers.send(file_id)
    saved = await transfers.download("bob", file_id, transfers.losing_at(3 * MIB, 11 * MIB))
    assert (saved.name, digest(saved)) == ("the plan.bin", digest(source.path))
    assert transfers.losses == 5
    await change(transfers.history, delete(transfers.history, offset))
    await until(lambda: transfers.site.stored() == [], MOST_S)
    with pytest.raises(ServerRefused) as refused:
        await transfers.download("eve", file_id)
    assert refused.value.code == Code.FILE_UNKNOWN


async def test_file_is_not_saved_by_others_before_it_is_sent(transfers: Transfers) -> None:
    file_id = await transfers.upload(plan(transfers.folder, 3))
    with pytest.raises(ServerRefused):
        await transfers.download("bob", file_id)
    assert list((transfers.folder / "bob").iterdir()) == []
    await transfers.send(file_id)
    assert (await transfers.download("bob", file_id)).stat().st_size == 3
