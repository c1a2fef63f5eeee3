"""Full disks, with real processes: logout and reading work, no acked message is lost, and service resumes by itself."""

import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from chatterbox.wire.close_codes import CloseCode
from tests.support.failed_starts import KEY, attempt, fill, small_disk
from tests.support.loopback import NO_TLS
from tests.support.process import Process, process
from tests.support.server import PASSWORD
from tests.support.talker import Talker, contents
from tests.support.topology import Topology, topology
from tests.support.waiting import until

DISK_BYTES = 8 * 2**20
RECOVERY_S = 15.0
REVOKED_S = 10.0
"""How long history may take to refuse an ended session: notified through Redis, or by polling."""


@pytest.fixture
async def apart(tmp_path: Path) -> AsyncIterator[Topology]:
    """Auth and history as processes on a small disk each, two gateways, and Redis."""
    with small_disk(tmp_path / "auth", DISK_BYTES), small_disk(tmp_path / "history", DISK_BYTES):
        async with topology(tmp_path) as whole:
            yield whole


class Filler:
    """Another program that fills these disks."""

    def __init__(self, *disks: Path) -> None:
        self._disks = disks

    def fill(self) -> None:
        for disk in self._disks:
            with (disk / "filler").open("ab", buffering=0) as file:
                try:
                    while True:
                        file.write(bytes(4096))
                except OSError:
                    pass

    def free(self) -> None:
        for disk in self._disks:
            (disk / "filler").unlink()


async def call(url: str, token: str, method: str, path: str, **body: str) -> tuple[int, Any]:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with httpx.AsyncClient(base_url=url, headers=headers, trust_env=False, verify=NO_TLS) as http:
        answer = await http.request(method, path, json=body or None)
        return answer.status_code, answer.json()


async def login(url: str, username: str, password: str = PASSWORD) -> int:
    return (await call(url, "", "POST", "/login", username=username, password=password))[0]


async def refuses(url: str, token: str) -> bool:
    return (await call(url, token, "GET", "/messages"))[0] == 401


async def send_until_refused(talker: Talker) -> list[str]:
    """The acked messages. A partly filled page or log takes some before the disk counts as full."""
    acked: list[str] = []
    for number in range(300):
        content = f"{number:04}" + "x" * 2000
        reply = await talker.send(content, key=f"key-{number}")
        if reply["type"] != "sent":
            assert reply["code"] == "unavailable"
            return acked
        acked.append(content)
    raise AssertionError("no message was refused")


async def stored(url: str, token: str) -> list[str]:
    """All messages of `general`, fetched in pages."""
    found: list[dict[str, Any]] = []
    while True:
        after = found[-1]["offset"] if found else 0
        status, page = await call(url, token, "GET", f"/messages?after={after}&limit=100")
        assert status == 200
        if not page:
            return [message["content"] for message in found]
        found += page


def is_refilled(data: Path, service: str, reserve_bytes: int) -> bool:
    return (data / f"{service}.ballast").stat().st_size == reserve_bytes


async def test_on_a_full_disk_logout_reading_and_resume_work(apart: Topology) -> None:
    auth, history = apart.auth, apart.history
    reserve_bytes = (history.data / "history.ballast").stat().st_size
    tokens = {name: await apart.newcomer(name) for name in ("ada", "bob", "cyd")}
    here, there = apart.gateways
    filler = Filler(auth.data, history.data)
    async with here.talker(tokens["ada"]) as ada, there.talker(tokens["bob"]) as bob:
        seen = (await ada.send("before"))["at"]
        filler.fill()
        acked = ["before", *await send_until_refused(ada)]

        assert await login(auth.url, "ada") in {200, 503}  # the log may have space left
        assert await login(auth.url, "ada") == 503
        filler.fill()  # the released piece
        assert await call(auth.url, tokens["bob"], "POST", "/logout") == (200, {"message": "Session terminated"})
        assert await bob.closed() == CloseCode.SESSION_ENDED
        for gateway in apart.gateways:
            late = gateway.talker(tokens["bob"], how="query")
            await late.open()
            assert await late.closed() == CloseCode.SESSION_ENDED
        await until(lambda: refuses(history.url, tokens["bob"]), REVOKED_S)
        assert (await call(auth.url, tokens["bob"], "GET", "/sessions"))[0] == 401

        for number in range(3):  # several times; the other program takes each released piece
            filler.fill()
            old, new = f"{PASSWORD}{number or ''}", f"{PASSWORD}{number + 1}"
            assert (await call(auth.url, tokens["cyd"], "POST", "/password", old=old, new=new))[0] == 200
        filler.fill()
        assert (await call(auth.url, tokens["cyd"], "DELETE", "/sessions"))[0] == 200

        async with there.talker(tokens["ada"], how="frame", resume={"general": seen}) as back:
            assert contents(await back.messages(len(acked) - 1)) == acked[1:]
        assert await stored(history.url, tokens["ada"]) == acked
        assert (await ada.ask("create", room="emergency"))["type"] != "error"
        assert (await ada.ask("leave", room="emergency"))["type"] != "error"
        assert (await ada.send("still full", key="later"))["code"] == "unavailable"

        filler.free()
        assert (await ada.send("still full", key="later"))["type"] == "sent"
        for service, name in ((auth, "auth"), (history, "history")):
            await until(lambda s=service, n=name: is_refilled(s.data, n, reserve_bytes), RECOVERY_S)
        assert await login(auth.url, "ada") == 200
        assert await login(auth.url, "bob") == 200
        assert await stored(history.url, tokens["ada"]) == [*acked, "still full"]
    for service in (auth, history):
        await until(lambda s=service: "disk_reserve.restored" in s.log.read_text(), RECOVERY_S)
        log = service.log.read_text()
        assert (
            log.count("disk.full") == log.count("disk_reserve.released") == log.count("disk_reserve.restored") == 1
        ), log
        assert "Traceback" not in log


async def stop_full(server: Process, disk: Path) -> tuple[str, list[str]]:
    """A token, and the messages acked before the disk was full and the process was killed."""
    token = await server.newcomer("ada")
    async with server.talker(token) as ada:
        await ada.send("before")
        fill(disk)
        acked = await send_until_refused(ada)
    await server.kill()
    return token, ["before", *acked]


async def test_a_server_killed_and_restarted_on_a_full_disk_can_read_and_log_out(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", DISK_BYTES) as disk:
        async with process(disk, CHATTERBOX_FILES="off") as server:  # its reserve would make space for messages
            token, acked = await stop_full(server, disk)
            stolen = await _second_login(server, disk)
            await server.start()
            assert await stored(server.url, token) == acked
            async with server.talker(token) as ada:
                assert (await ada.send("not now"))["code"] == "unavailable"
                assert (await call(server.url, stolen, "POST", "/logout"))[0] == 200
                assert (await call(server.url, stolen, "GET", "/sessions"))[0] == 401
                (disk / "filler").unlink()
                assert (await ada.send("now"))["type"] == "sent"
            assert await stored(server.url, token) == [*acked, "now"]
            assert "Traceback" not in server.log.read_text()


async def _second_login(server: Process, disk: Path) -> str:
    """Another token of ada; the disk is full again afterwards."""
    (disk / "filler").unlink()
    await server.start()
    credentials = {"username": "ada", "password": PASSWORD}
    token = str((await call(server.url, "", "POST", "/login", **credentials))[1]["token"])
    await server.signal(signal.SIGTERM)
    fill(disk)
    return token


async def test_a_start_without_free_space_or_reserve_is_refused_and_loses_nothing(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", DISK_BYTES) as disk:
        async with process(disk) as server:
            token, acked = await stop_full(server, disk)
            for file in (*disk.glob("*.ballast"), *disk.glob("*-shm")):
                file.unlink()
            Filler(disk).fill()
            refused = await attempt("allinone", disk, CHATTERBOX_SERVICE_KEY=KEY)
            assert refused.status != 0
            assert f"the disk that holds {disk}" in refused.said
            assert "Traceback" not in refused.said
            (disk / "filler").unlink()
            await server.start()
            assert await stored(server.url, token) == acked
            assert {file.stem for file in disk.glob("*.ballast")} == {"auth", "files", "history"}


async def test_the_disk_reserve_is_refilled_in_the_background(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", DISK_BYTES) as disk:
        async with process(disk) as server:
            token = await server.newcomer("ada")
            async with server.talker(token) as ada:
                fill(disk)
                await send_until_refused(ada)
            before = (disk / "history.ballast").stat().st_size
            (disk / "filler").unlink()
            await until(lambda: (disk / "history.ballast").stat().st_size > before, RECOVERY_S)
