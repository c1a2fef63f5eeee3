"""Files from shell to shell: sent, interrupted, continued, saved, and erased with their message."""

import asyncio
import hashlib
import json
import random
import subprocess
from collections.abc import Callable
from pathlib import Path

from client.failures import ExitCode
from tests.e2e.client.people import Person, Server, people
from tests.e2e.client.test_outages import plug_in
from tests.support.cable import Cable, Way, cable
from tests.support.waiting import wait_until

MIB = 2**20
SIZE = 12 * MIB


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def sizes_in(folder: Path) -> list[int]:
    """The sizes of the files in a folder and its folders, that are not empty."""
    return [size for path in folder.rglob("*") if path.is_file() and (size := path.stat().st_size)]


def plan(folder: Path) -> Path:
    path = folder / "the plan.bin"
    path.write_bytes(random.Random(7).randbytes(SIZE))
    return path


async def kill_when(person: Person, words: tuple[str, ...], is_time: Callable[[], bool]) -> None:
    """Run a command, and kill it in the middle."""
    process = person.start(*words)
    await asyncio.to_thread(wait_until, is_time, "it is in the middle")
    process.kill()
    await asyncio.to_thread(process.wait, 20)


async def done(person: Person, *words: str) -> subprocess.CompletedProcess[str]:
    return await asyncio.to_thread(person.run, *words)


def plug_into(person: Person, between: Cable) -> None:
    """This person reaches the server over the cable, which lets 8 MB/s pass."""
    for way in Way:
        between.slow_down(way, bytes_per_s=8e6, new=True)
    plug_in(person, between)


async def test_file_is_sent_by_a_killed_client_at_last_then_saved_and_erased_with_its_message(
    server: Server, tmp_path: Path
) -> None:
    stored, source, target = server.data / "files", plan(tmp_path), tmp_path / "saved"
    target.mkdir()
    with people(tmp_path, server.url, "alice", "bob") as (alice, bob):
        async with cable(server.port) as between:
            plug_into(alice, between)
            plug_into(bob, between)
            send = ("send", "general", "here it is", "--file", str(source))
            await kill_when(alice, send, lambda: max(sizes_in(stored), default=0) >= 4 * MIB)
            held = max(sizes_in(stored))
            sent = await done(alice, *send)
            assert (sent.returncode, sent.stderr, 4 * MIB <= held < SIZE) == (ExitCode.OK, "", True)
            [message] = [json.loads((await done(bob, "tail", "general", "--json", "--count", "1")).stdout)]
            [file] = message["files"]
            assert (message["content"], file["name"], file["size"]) == ("here it is", source.name, SIZE)
            download = ("download", file["id"], "-o", str(target))
            await kill_when(bob, download, lambda: max(sizes_in(target), default=0) >= 4 * MIB)
            [part] = target.iterdir()
            assert part.name.endswith(".part")
            saved = await done(bob, *download)
            assert (saved.returncode, saved.stdout) == (ExitCode.OK, f"{target / source.name}\n")
            assert [digest(path) for path in target.iterdir()] == [digest(source)]
            again = await done(bob, *download)
            assert (again.returncode, "exists" in again.stderr) == (ExitCode.REFUSED, True)
            assert (await done(alice, "delete", "general", "1")).returncode == ExitCode.OK
            await asyncio.to_thread(wait_until, lambda: not sizes_in(stored), "the bytes are erased")
            gone = await done(bob, "download", file["id"], "-o", str(tmp_path / "gone"))
            assert (gone.returncode, gone.stderr.strip()) == (
                ExitCode.REFUSED,
                "chatterbox: There is no such file, or you may not read it.",
            )


def test_several_files_are_one_message_without_a_text(server: Server, alice_and_bob: list[Person]) -> None:
    alice, bob = alice_and_bob
    for name in ("a.txt", "b.txt"):
        (alice.home / name).write_text(name)
    paths = [str(alice.home / name) for name in ("a.txt", "b.txt")]
    assert alice.run("send", "general", "--file", *paths).returncode == ExitCode.OK
    tailed = bob.run("tail", "general", "--count", "1").stdout
    assert [line.rpartition(", ")[0].rpartition("file: ")[2] for line in tailed.splitlines()[-2:]] == [
        "a.txt (5 bytes)",
        "b.txt (5 bytes)",
    ]
    missing = alice.run("send", "general", "--file", "/nowhere/c.txt")
    assert (missing.returncode, "Can't read /nowhere/c.txt" in missing.stderr) == (ExitCode.REFUSED, True)
