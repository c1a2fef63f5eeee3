"""Chatterbox as a subject in one process, as `make up` starts it, with prepared accounts, tokens and rooms.

Accounts and tokens are created once, through the public API: POST /register and POST /login. Each start gets a copy of
that data folder, so that no run sees data of another one. Limits on clients are raised by ordinary settings; every
check stays on.
"""

import os
import shutil
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import httpx

from bench.loadgen import Load, generating
from bench.server_process import Start, http, is_ready, started
from bench.subject import Dialect, Running, Step
from tests.support.ports import free_port

ROOT = Path(__file__).parents[1]
ACCOUNTS = 200
ROOMS = 100
RESIDENTS = 500
SAID, SAID_CHARS = 60, 70
"""Messages in `general`, and characters of each."""
LODGINGS = ("hall", "parlour", "kitchen")
"""Each resident is a member of one room of each kind."""
LODGINGS_OF_A_KIND = 20
MOVES = 3
"""Attempts to join all rooms, for a busy machine."""
_PASSWORD = "correct horse battery"
_PLENTY = "1000000000"
SETTINGS = {
    "CHATTERBOX_SENDS_PER_S": _PLENTY,
    "CHATTERBOX_SENDS_BURST": _PLENTY,
    "CHATTERBOX_COMMANDS_PER_S": _PLENTY,
    "CHATTERBOX_COMMANDS_BURST": _PLENTY,
    "CHATTERBOX_CHANGES_BURST": _PLENTY,
    "CHATTERBOX_ROOMS_PER_DAY": _PLENTY,
    "CHATTERBOX_READS_BURST": _PLENTY,
    "CHATTERBOX_LISTINGS_BURST": _PLENTY,
    "CHATTERBOX_REQUESTS_BURST": _PLENTY,
    "CHATTERBOX_CONNECTIONS": _PLENTY,
    "CHATTERBOX_CONNECTIONS_PER_USER": _PLENTY,
    "CHATTERBOX_CONNECTIONS_PER_ADDRESS": _PLENTY,
    "CHATTERBOX_REGISTRATIONS_BURST": _PLENTY,
    "CHATTERBOX_ADDRESS_LOGINS_BURST": _PLENTY,
    "CHATTERBOX_HASH_WAITING": _PLENTY,
    "CHATTERBOX_DRAIN_S": "0",
}


class Made(NamedTuple):
    """Prepared data, created once and copied for each start."""

    folder: Path

    @property
    def data(self) -> Path:
        return self.folder / "made"

    @property
    def tokens(self) -> Path:
        """Tokens of members, who are in `general` only; some also in a room that they created."""
        return self.folder / "tokens"

    @property
    def residents(self) -> Path:
        """Tokens of residents, who are in three further rooms before they connect."""
        return self.folder / "residents"


class Chatterbox:
    """The all-in-one process. `folder` is on the disk to measure; `core` is the server's."""

    name = "Chatterbox"

    def __init__(self, folder: Path, core: int | None) -> None:
        self._folder = folder
        self._core = core
        self._made = Made(folder)

    def prepare(self, *, with_residents: bool = True) -> None:
        """Create accounts, tokens and rooms, on all cores, because nothing is measured here."""
        with self._process(self._made.data, None) as (_, port), http(port) as client:
            members = _accounts(client, "member", ACCOUNTS)
            _make_rooms(client, [f"room-{number}" for number in range(ROOMS)], members)
            _write(self._made.tokens, members)
            _write(self._made.residents, members)
            _talk(client, members[0])
            if with_residents:
                self._settle(client, port)

    def _settle(self, client: httpx.Client, port: int) -> None:
        residents = _accounts(client, "resident", RESIDENTS)
        rooms = [f"{kind}-{number}" for kind in LODGINGS for number in range(LODGINGS_OF_A_KIND)]
        _make_rooms(client, rooms, residents)
        _write(self._made.residents, residents)
        join = [dialect(port, self._made.residents, room=f"{kind}-{{r}}").joining for kind in LODGINGS]
        moving_in = replace(dialect(port, self._made.residents), joining=tuple(step for each in join for step in each))
        for _ in range(MOVES):  # joining again is harmless
            with generating(Load(members=RESIDENTS, rooms=LODGINGS_OF_A_KIND), moving_in, None) as generator:
                generator.await_word("ready")
                generator.finish()
                if generator.result().connected == RESIDENTS:
                    return
        raise SystemExit("bench: not all residents could join their rooms")

    @contextmanager
    def running(self) -> Iterator[Running]:
        """Start the process on a fresh copy of the prepared data."""
        data = self._folder / "data"
        shutil.rmtree(data, ignore_errors=True)
        shutil.copytree(self._made.data, data)
        try:
            with self._process(data, self._core) as (pid, port):
                yield Running(pid, dialect(port, self._made.tokens, self._made.residents))
        finally:
            shutil.rmtree(data, ignore_errors=True)

    @contextmanager
    def _process(self, data: Path, core: int | None) -> Iterator[tuple[int, int]]:
        port = free_port()
        environment = {**os.environ, **SETTINGS, "CHATTERBOX_PORT": str(port), "CHATTERBOX_DATA": str(data.resolve())}
        command = (sys.executable, "-m", "services.allinone")
        start = Start(command, core, self._folder / "server.log", environment, ROOT)
        with started(start, lambda: is_ready(port)) as pid:
            yield pid, port


def dialect(port: int, tokens: Path, residents: Path | None = None, room: str = "room-{r}") -> Dialect:
    """The part of Chatterbox's protocol that the workloads need."""
    return Dialect(
        port=port,
        path="/ws",
        page="/messages?limit=50",
        headers=("Authorization: Bearer {t}",),
        tokens=tokens,
        residents=residents,
        greeting=(Step("expect", '"type":"welcome"'),),
        joining=(Step("send", f'{{"type":"join","id":1,"room":"{room}"}}'), Step("expect", '"type":"joined","id":1')),
        message='{"type":"send","id":{n},"room":"room-{r}","key":"{n}","content":"{m}"}',
        ack='"type":"sent","id":',
        refusal='"type":"error"',
    )


def _accounts(client: httpx.Client, kind: str, count: int) -> list[str]:
    """Create `count` accounts; returns their tokens."""
    with ThreadPoolExecutor(4) as threads:
        return list(threads.map(lambda number: _newcomer(client, f"{kind}-{number}"), range(count)))


def _newcomer(client: httpx.Client, username: str) -> str:
    who = {"username": username, "password": _PASSWORD}
    client.post("/register", json=who).raise_for_status()
    return str(client.post("/login", json=who).raise_for_status().json()["token"])


def _make_rooms(client: httpx.Client, rooms: list[str], tokens: list[str]) -> None:
    """Create each room with another account, in turn."""
    for number, room in enumerate(rooms):
        headers = {"Authorization": f"Bearer {tokens[number % len(tokens)]}"}
        client.post("/rooms", json={"room": room}, headers=headers).raise_for_status()


def _talk(client: httpx.Client, token: str) -> None:
    """Say something in `general`: a page and a bit more."""
    for number in range(SAID):
        said = {"key": str(number), "content": "x" * SAID_CHARS}
        client.post("/messages", json=said, headers={"Authorization": f"Bearer {token}"}).raise_for_status()


def _write(path: Path, tokens: list[str]) -> None:
    path.write_text("\n".join(tokens) + "\n")
