"""Chatterbox as the subject: one process as `make up` starts it, with accounts, tokens and rooms made beforehand.

Accounts and tokens are made once, the way everybody makes them: POST /register and POST /login. Each start then gets
a copy of that data folder, so that no run sees what another one left. Limits on clients are raised by the settings
that operators have; every check stays on.
"""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx

from bench.processes import spawn, stop
from bench.subject import Dialect, Running, Step

ROOT = Path(__file__).parents[1]
ACCOUNTS = 200
ROOMS = 100
READY_S = 30.0
_PASSWORD = "correct horse battery"
_PLENTY = "1000000000"
_ENVIRONMENT = {
    "CHATTERBOX_SENDS_PER_S": _PLENTY,
    "CHATTERBOX_SENDS_BURST": _PLENTY,
    "CHATTERBOX_COMMANDS_PER_S": _PLENTY,
    "CHATTERBOX_COMMANDS_BURST": _PLENTY,
    "CHATTERBOX_CONNECTIONS": _PLENTY,
    "CHATTERBOX_CONNECTIONS_PER_USER": _PLENTY,
    "CHATTERBOX_CONNECTIONS_PER_ADDRESS": _PLENTY,
    "CHATTERBOX_REGISTRATIONS_BURST": _PLENTY,
    "CHATTERBOX_HASH_WAITING": _PLENTY,
    "CHATTERBOX_DRAIN_S": "0",
}


class Chatterbox:
    """The all-in-one process. `folder` is on the disk that is to be measured; `core` is the server's."""

    name = "Chatterbox"

    def __init__(self, folder: Path, core: int | None) -> None:
        self._folder = folder
        self._core = core
        self._made = folder / "made"
        self._tokens = folder / "tokens"

    def prepare(self) -> None:
        """Make accounts, their tokens and the rooms; on all cores, since nothing is measured here."""
        with self._process(self._made, None) as (_, port), _http(port) as http, ThreadPoolExecutor(4) as threads:
            names = [f"member-{number}" for number in range(ACCOUNTS)]
            tokens = list(threads.map(lambda name: _newcomer(http, name), names))
            for room in range(ROOMS):
                _make_room(http, f"room-{room}", tokens[room % ACCOUNTS])
        self._tokens.write_text("\n".join(tokens) + "\n")

    @contextmanager
    def running(self) -> Iterator[Running]:
        """Start it on a fresh copy of what was made."""
        data = self._folder / "data"
        shutil.rmtree(data, ignore_errors=True)
        shutil.copytree(self._made, data)
        try:
            with self._process(data, self._core) as (pid, port):
                yield Running(pid, dialect(port, self._tokens))
        finally:
            shutil.rmtree(data, ignore_errors=True)

    @contextmanager
    def _process(self, data: Path, core: int | None) -> Iterator[tuple[int, int]]:
        port = _free_port()
        settings = {"CHATTERBOX_PORT": str(port), "CHATTERBOX_DATA": str(data)}
        log = self._folder / "server.log"
        with log.open("wb") as output:
            command = [sys.executable, "-m", "services.allinone"]
            environment = {**os.environ, **_ENVIRONMENT, **settings}
            process = spawn(command, core, environment=environment, folder=ROOT, stdout=output, stderr=output)
        try:
            _await_ready(process, port, log)
            yield process.pid, port
        finally:
            stop(process)


def dialect(port: int, tokens: Path) -> Dialect:
    """Chatterbox's protocol, as far as the workloads need it."""
    return Dialect(
        port=port,
        path="/ws",
        headers=("Authorization: Bearer {t}",),
        tokens=tokens,
        greeting=(Step("expect", '"type":"welcome"'),),
        joining=(Step("send", '{"type":"join","id":1,"room":"room-{r}"}'), Step("expect", '"type":"joined","id":1')),
        message='{"type":"send","id":{n},"room":"room-{r}","key":"{n}","content":"{m}"}',
        ack='"type":"sent","id":',
        refusal='"type":"error"',
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _http(port: int) -> httpx.Client:
    return httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=60)


def _await_ready(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    until_s = time.monotonic() + READY_S
    while not _answers(port):
        if process.poll() is not None or time.monotonic() > until_s:
            raise SystemExit(f"bench: Chatterbox did not start:\n{log.read_text()}")
        time.sleep(0.05)


def _answers(port: int) -> bool:
    try:
        with _http(port) as http:
            return http.get("/health/ready").is_success
    except httpx.TransportError:
        return False


def _newcomer(http: httpx.Client, username: str) -> str:
    who = {"username": username, "password": _PASSWORD}
    http.post("/register", json=who).raise_for_status()
    return str(http.post("/login", json=who).raise_for_status().json()["token"])


def _make_room(http: httpx.Client, room: str, token: str) -> None:
    http.post("/rooms", json={"room": room}, headers={"Authorization": f"Bearer {token}"}).raise_for_status()
