"""Runs an additional container on the networks of a deployment, with its own published port."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from tests.support.engine import docker
from tests.support.loopback import NO_TLS
from tests.support.ports import free_port
from tests.support.stack import Stack
from tests.support.talker import Talker
from tests.support.waiting import wait_until

READY_S = 20


class ExtraContainer:
    """A container that takes the place of the edge; it listens on 8000."""

    def __init__(self, stack: Stack, image: str, *options: str) -> None:
        self._stack = stack
        self._port = free_port()
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{self._port}", trust_env=False, verify=NO_TLS, timeout=10)
        where = ("--network", f"{stack.project}_public", "--publish", f"127.0.0.1:{self._port}:8000")
        self.container = stack.engine("create", *where, *options, image).strip()

    def start(self) -> None:
        """Start it and wait until it reaches every service."""
        self._stack.engine("network", "connect", f"{self._stack.project}_inside", self.container)
        self._stack.engine("start", self.container)
        wait_until(self._serves, self.logs, READY_S, look_s=0.1)

    def _serves(self) -> bool:
        """Each service refuses a request without a token, and the gateway one without an upgrade."""
        try:
            return [self.http.get(path).status_code for path in ("/sessions", "/rooms", "/ws")] == [401, 401, 404]
        except httpx.HTTPError:
            return False

    def logs(self) -> str:
        done = docker("logs", self.container)
        return done.stdout + done.stderr

    def talker(self, token: str, **options: Any) -> Talker:
        return Talker(f"ws://127.0.0.1:{self._port}/ws", token, **options)

    def remove(self) -> None:
        self.http.close()
        self._stack.engine("rm", "--force", "--volumes", self.container)


@contextmanager
def extra_container(stack: Stack, image: str, *options: str) -> Iterator[ExtraContainer]:
    """A container of `image`, created with these `options` of `docker create`, started, and removed at the end."""
    container = ExtraContainer(stack, image, *options)
    try:
        container.start()
        yield container
    finally:
        container.remove()
