"""Chatterbox as a subject in separate processes: auth, history, Redis and gateways.

The processes are started as by `make up GATEWAYS=1`, without the edge, since members connect to the gateways directly,
and without files. All processes share the server's core, because the targets count the CPU time of all of them on one
core.
"""

import os
import secrets
import shutil
import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from pathlib import Path

from bench.chatterbox_subject import ROOT, SETTINGS, Made, dialect
from bench.server_process import Start, is_open, is_ready, started
from bench.subject import Running
from chatterbox.chassis.core.caller_keys import ServiceName
from services.processes.process_plan import DeploymentPlan, ProcessPorts, ProcessSpec, plan
from services.processes.program_paths import redis_program
from tests.support.ports import free_port

ROOM = "room-0"
"""The room of the publisher's messages."""
LEFT_OUT = frozenset({"edge", "files"})
"""Processes that no workload needs."""
_NOWHERE = Path("not-served")


class ChatterboxApart:
    """`folder` is on the disk to measure; all processes run on `core`."""

    def __init__(self, folder: Path, core: int | None, gateways: int = 1, name: str = "Chatterbox") -> None:
        self.name = name
        self._gateways = gateways
        self._folder = folder
        self._core = core
        self._made = Made(folder)
        self.start_s: dict[str, float] = {}
        """Startup time of each process in the last start (seconds)."""

    @contextmanager
    def running(self) -> Iterator[Running]:
        """Start all processes on a fresh copy of the prepared data."""
        data = self._folder / "data"
        shutil.rmtree(data, ignore_errors=True)
        shutil.copytree(self._made.data, data)
        ports = ProcessPorts(free_port(), free_port(), free_port(), tuple(free_port() for _ in range(self._gateways)))
        site = _site(data)
        try:
            with ExitStack() as stack:
                pids = {each.name: self._start(stack, each) for each in plan(site, ports) if each.name not in LEFT_OUT}
                redis_url = f"redis://:{site.redis_password}@127.0.0.1:{ports.redis}"
                first, *others = (pids.pop(f"gateway-{number}") for number in range(1, self._gateways + 1))
                talk = dialect(ports.gateways[0], self._made.tokens, self._made.residents)
                yield Running(
                    first,
                    replace(talk, replicas=ports.gateways[1:]),
                    pids,
                    [sys.executable, "-m", "bench.publisher", redis_url, *_place(data)],
                    others,
                )
        finally:
            shutil.rmtree(data, ignore_errors=True)

    def _start(self, stack: ExitStack, planned: ProcessSpec) -> int:
        environment = {**os.environ, **planned.environment, **SETTINGS}
        log = self._folder / f"{planned.name}.log"
        start = Start(planned.command, self._core, log, environment, ROOT, planned.stdin)
        answers = is_open if planned.ready_url is None else is_ready
        began_s = time.monotonic()
        pid = stack.enter_context(started(start, lambda: answers(planned.port)))
        self.start_s[planned.name] = time.monotonic() - began_s
        return pid


def _site(data: Path) -> DeploymentPlan:
    return DeploymentPlan(
        host="127.0.0.1", port=0, data=data.resolve(), reference=_NOWHERE,
        service_keys={service: secrets.token_urlsafe(32) for service in ServiceName},
        redis_password=secrets.token_urlsafe(32), redis_program=redis_program(), caddy_program=_NOWHERE,
    )  # fmt: skip


def _place(data: Path) -> tuple[str, ...]:
    """The publisher's arguments for a room: its name, id, epoch and head."""
    with closing(sqlite3.connect(data / "history.sqlite")) as database:
        row = database.execute("SELECT name, id, epoch, head FROM rooms WHERE name = ?", (ROOM,)).fetchone()
    return tuple(map(str, row))
