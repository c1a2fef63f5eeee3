"""All of Chatterbox in containers, as docker-compose.yml describes them, under a name and on a port of its own."""

import json
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
from testcontainers.compose import DockerCompose

from tests.support.engine import docker
from tests.support.loopback import NO_TLS
from tests.support.ports import free_port
from tests.support.talker import Talker
from tests.support.waiting import wait_until

ROOT = Path(__file__).parents[2]
PASSWORD = "correct horse battery"
SERVICES = ("auth", "files", "history", "gateway")
NOTHING: Mapping[str, str] = {}
_AS_OPERATOR = (
    'REDISCLI_AUTH=$(cat /secrets/redis/operator-password) redis-cli --user operator --no-auth-warning -e "$@"'
)
ONE_SHOT = "secrets"
"""The service that has ended when the others run."""


class Stack:
    """A running deployment; `settings` holds further `CHATTERBOX_…` variables for every service."""

    def __init__(self, folder: Path, settings: Mapping[str, str] = NOTHING) -> None:
        self.project = f"chatterbox-test-{uuid4().hex[:8]}"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        environment = folder / "stack.env"
        environment.write_text(f"COMPOSE_PROJECT_NAME={self.project}\nCHATTERBOX_PORT={self.port}\n")
        more = folder / "settings.json"  # which is YAML, too
        more.write_text(json.dumps({"services": {name: {"environment": {**settings}} for name in SERVICES}}))
        files = ["docker-compose.yml", str(more)]
        self.compose = DockerCompose(ROOT, compose_file_name=files, env_file=str(environment))
        self.http = httpx.Client(base_url=self.url, trust_env=False, verify=NO_TLS, timeout=10)

    def run(self, *arguments: str) -> str:
        """`docker compose ARGUMENTS` for this deployment; returns what it printed."""
        done = self._compose(*arguments)
        assert done.returncode == 0, f"{' '.join(arguments)}: {done.stdout}{done.stderr}"
        return done.stdout

    def attempt(self, *arguments: str) -> str:
        """The same, however it ends; returns all that it printed."""
        done = self._compose(*arguments)
        return done.stdout + done.stderr

    def _compose(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [*self.compose.docker_compose_command(), *arguments]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=600)

    def up(self, gateways: int, *more: str) -> None:
        """Start everything and wait until all of it is healthy."""
        self.run("up", "--detach", "--wait", "--wait-timeout", "120", "--scale", f"gateway={gateways}", *more)

    def wait_until_healthy(self) -> None:
        """Wait until every running container is."""

        def healthy() -> bool:
            running = [each for each in self.compose.get_containers() if each.State == "running"]
            return {each.Health for each in running} == {"healthy"}

        wait_until(healthy, lambda: self.run("ps"), look_s=0.5)

    def containers(self, service: str | None = None) -> list[str]:
        """The ids of the running containers, or of those of one service."""
        found = self.compose.get_containers()
        return [str(each.ID) for each in found if each.State == "running" and service in (None, each.Service)]

    def engine(self, *arguments: str) -> str:
        """`docker ARGUMENTS`; returns what it printed."""
        done = docker(*arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def inspect(self, container: str) -> dict[str, Any]:
        """What the engine knows of a container."""
        facts: list[dict[str, Any]] = json.loads(self.engine("inspect", container))
        return facts[0]

    def inside(self, container: str, *command: str, user: str = "") -> str:
        """Run a command in a container; returns all that it printed, however it ended."""
        as_user = ["--user", user] if user else []
        done = docker("exec", *as_user, container, *command)
        return (done.stdout + done.stderr).strip()

    def ask_redis(self, *words: str) -> str:
        """What Redis answers its operator, in the way of deploy/README.md; fails where it refuses."""
        return self.run("exec", "-T", "redis", "sh", "-c", _AS_OPERATOR, "sh", *words).strip()

    def newcomer(self, username: str) -> str:
        """Register a user and log in; returns the token."""
        self.http.post("/register", json={"username": username, "password": PASSWORD}).raise_for_status()
        return self.login(username)

    def login(self, username: str) -> str:
        answer = self.http.post("/login", json={"username": username, "password": PASSWORD}).raise_for_status()
        return str(answer.json()["token"])

    def talker(self, token: str | None, **options: Any) -> Talker:
        """A WebSocket client that connects through the edge; enter it to connect."""
        return Talker(f"ws://127.0.0.1:{self.port}/ws", token, **options)


@contextmanager
def deployed(folder: Path, gateways: int, settings: Mapping[str, str] = NOTHING) -> Iterator[Stack]:
    """Build, start, and in the end remove everything: containers, networks, volumes."""
    stack = Stack(folder, settings)
    try:
        stack.up(gateways, "--build")
        yield stack
    finally:
        stack.http.close()
        stack.run("down", "--volumes", "--remove-orphans", "--timeout", "5")
