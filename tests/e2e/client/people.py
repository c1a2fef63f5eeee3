"""Helpers of the client's tests: a server process, a network connection that can be cut, and users with commands."""

import asyncio
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from client.net.http_api import HttpApi
from client.store.session_file import SessionFile
from tests.support.cheap_hashes import use_cheap_hashes
from tests.support.command import Running, run
from tests.support.loopback import NO_TLS
from tests.support.ports import free_port
from tests.support.program import Program, start
from tests.support.server import PASSWORD
from tests.support.waiting import wait_until

ROOT = Path(__file__).parents[3]
DEADLINE_S = 60.0


@dataclass
class Server:
    """`python -m services.allinone` on its own folder and port, which it keeps when it is started again."""

    data: Path
    port: int = field(default_factory=free_port)
    process: Program | None = None
    settings: dict[str, str] = field(default_factory=dict)
    """Additional environment variables."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        environment = os.environ | {
            "CHATTERBOX_PORT": str(self.port),
            "CHATTERBOX_DATA": str(self.data),
            "CHATTERBOX_SENDS_PER_S": "1000",
            "CHATTERBOX_SENDS_BURST": "1000",
        }
        environment |= self.settings
        log = self.data.parent / "server.log"
        self.process = start("services.allinone", environment=environment, log=log, prepare=use_cheap_hashes)
        wait_until(self._is_ready, f"the server is ready; see {log}")

    def administer(self, command: str, folder: str) -> None:
        """Run an operator's command: `backup` into a folder beside the data, or `restore` from it."""
        environment = os.environ | {"CHATTERBOX_DATA": str(self.data)}
        words = [sys.executable, "-m", "services.allinone", command, str(self.data.parent / folder)]
        subprocess.run(words, env=environment, cwd=ROOT, check=True, capture_output=True, timeout=DEADLINE_S)

    def _is_ready(self) -> bool:
        with contextlib.suppress(httpx.HTTPError):
            return httpx.get(f"{self.url}/health/ready", trust_env=False, verify=NO_TLS).status_code == 200
        return False

    def kill(self, how: signal.Signals = signal.SIGKILL) -> None:
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(DEADLINE_S)
            self.process = None


class Cable:
    """A TCP proxy to a server that can be cut: open connections break, and no new one is accepted."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = free_port()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def mend(self) -> None:
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", self.port)

    async def cut(self) -> None:
        if self._server is not None:
            self._server.close()
        for writer in tuple(self._open):
            writer.transport.abort()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            onward = await asyncio.open_connection("127.0.0.1", self._port)
            for source, sink in ((reader, onward[1]), (onward[0], writer)):
                task = asyncio.create_task(self._pump(source, sink))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        self._open.add(sink)
        with contextlib.suppress(OSError):
            while data := await source.read(65_536):
                sink.write(data)
                await sink.drain()
        self._open.discard(sink)
        sink.transport.abort()
        with contextlib.suppress(OSError):
            await sink.wait_closed()


@dataclass
class Person:
    """A user with a home folder and the command `chatterbox`."""

    home: Path
    server: str
    name: str
    variables: dict[str, str] = field(default_factory=dict)
    """Additional environment variables."""
    running: list[Running] = field(default_factory=list)

    def configure(self, text: str) -> Path:
        """Write the configuration."""
        path = self.home / "config" / "chatterbox" / "config.toml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def start(self, *arguments: str, **options: Any) -> Running:
        """Run the command in the background."""
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
        process = run(arguments, self.environment, **pipes)
        self.running.append(process)
        return process

    def shell(self, script: str, shell: str = "bash") -> subprocess.CompletedProcess[str]:
        """Run a shell script, in which `chatterbox` is the command."""
        process = subprocess.Popen(
            [shell, "-c", script],
            env=self.environment,
            cwd=ROOT,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self.running.append(process)
        out, err = process.communicate("", timeout=DEADLINE_S)
        return subprocess.CompletedProcess(script, process.returncode, out, err)

    @property
    def environment(self) -> dict[str, str]:
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        own = {
            "XDG_STATE_HOME": str(self.home),
            "XDG_CONFIG_HOME": str(self.home / "config"),
            "CHATTERBOX_SERVER": self.server,
            "PATH": path,
        }
        return os.environ | {"TERM": "xterm-256color"} | own | self.variables

    def run(self, *arguments: str, typed: str = "") -> subprocess.CompletedProcess[str]:
        """Run the command to its end."""
        process = self.start(*arguments)
        out, err = process.communicate(typed, timeout=DEADLINE_S)
        assert "Traceback" not in err, err
        return subprocess.CompletedProcess(arguments, process.wait(DEADLINE_S), out, err)

    def register(self) -> None:
        """Create an account and log in as the command does, without starting a process."""
        with HttpApi(self.server) as api:
            api.register(self.name, PASSWORD)
            session = api.login(self.name, PASSWORD).as_session(self.server, time.time())
        SessionFile(self.home / "chatterbox", self.server).save(session)

    def history(self, room: str = "general") -> list[str]:
        """The messages of this user in a room, oldest first."""
        done = self.run("tail", room, "--json", "--recent", "100000", "--count", str(self.head(room)))
        assert done.returncode == 0, done.stderr
        messages = [json.loads(line) for line in done.stdout.splitlines()]
        offsets = [message["at"]["offset"] for message in messages]
        assert offsets == list(range(1, len(offsets) + 1))
        return [message["content"] for message in messages if message["username"] == self.name]

    def page(self, room: str = "general") -> str:
        """The newest messages of a room as the server stores them, read over HTTP: a JSON array in one line."""
        session = SessionFile(self.home / "chatterbox", self.server).load()
        assert session is not None
        headers = {"Authorization": f"Bearer {session.token}"}
        answer = httpx.get(
            f"{self.server}/messages", params={"room": room}, headers=headers, trust_env=False, verify=NO_TLS
        )
        return answer.raise_for_status().text

    def newest(self, room: str = "general") -> str:
        """The newest message of a room, by any user, read over HTTP without starting a process."""
        session = SessionFile(self.home / "chatterbox", self.server).load()
        assert session is not None
        headers = {"Authorization": f"Bearer {session.token}"}
        asked: dict[str, str | int] = {"room": room, "limit": 1}
        answer = httpx.get(f"{self.server}/messages", params=asked, headers=headers, trust_env=False, verify=NO_TLS)
        return next((str(message["content"]) for message in answer.raise_for_status().json()), "")

    def head(self, room: str) -> int:
        listed = self.run("rooms").stdout
        (line,) = (line for line in listed.splitlines() if line.split()[0] in {f"#{room}", room})
        (count,) = re.findall(r", (\d+) messages?(?:$|:| \()", line)[:1]  # whatever the topic after it says
        return int(count)

    def stop(self) -> None:
        for process in self.running:
            if process.poll() is None:
                process.kill()
            process.wait(DEADLINE_S)
            for stream in (process.stdin, process.stdout, process.stderr):
                if stream is not None:
                    with contextlib.suppress(BrokenPipeError):
                        stream.close()


def is_connected(process: Running) -> bool:
    """Whether the process has an established TCP connection (Linux: from /proc)."""
    own = set[str]()
    for link in Path(f"/proc/{process.pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            own.add(str(link.readlink()))
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return any(f"socket:[{row[9]}]" in own for row in rows if row[3] == "01")


@contextlib.contextmanager
def people(home: Path, server: str, *names: str) -> Iterator[list[Person]]:
    persons = [Person(home / name, server, name) for name in names]
    try:
        for person in persons:
            person.register()
        yield persons
    finally:
        for person in persons:
            person.stop()
