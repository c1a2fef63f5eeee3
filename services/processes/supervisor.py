"""Starts processes in order and stops them in reverse. If one ends by itself, all are stopped."""

import asyncio
import ctypes
import os
import signal
import sys
from collections.abc import Sequence

from chatterbox.chassis.http.healthcheck import is_healthy
from chatterbox.chassis.operator_errors import OperatorError
from services.processes.process_plan import ROOT, ProcessSpec

READY_S = 30.0
"""A process must be ready within this time (seconds)."""
STOP_S = 30.0
"""A process that has not ended this long after SIGTERM is killed (seconds)."""
_PR_SET_PDEATHSIG = 1


class Supervisor:
    """The running processes."""

    def __init__(self) -> None:
        self._running: list[tuple[ProcessSpec, asyncio.subprocess.Process]] = []

    async def start(self, spec: ProcessSpec) -> None:
        """Start a process and wait until it serves; raises `OperatorError`."""
        process = await asyncio.create_subprocess_exec(
            *spec.command,
            cwd=ROOT,
            env={**os.environ, **spec.environment},
            stdin=asyncio.subprocess.PIPE if spec.stdin else asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C reaches only this process, which stops them in order
            preexec_fn=_die_with_parent if sys.platform == "linux" else None,
        )
        self._running.append((spec, process))
        if spec.stdin and process.stdin is not None:
            process.stdin.write(spec.stdin.encode())
            process.stdin.close()
        await self._until_ready(spec, process)

    async def _until_ready(self, spec: ProcessSpec, process: asyncio.subprocess.Process) -> None:
        try:
            async with asyncio.timeout(READY_S):
                while not await _is_ready(spec):
                    if process.returncode is not None:
                        raise OperatorError(f"{spec.name} failed to start; see its output above")
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise OperatorError(f"{spec.name} is not ready after {READY_S:.0f} s; see its log above") from None

    async def until_one_ends(self) -> str:
        """Wait until a process ends; returns its name."""
        waiting = {asyncio.create_task(process.wait()): spec.name for spec, process in self._running}
        try:
            done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            return waiting[done.pop()]
        finally:
            for task in waiting:
                task.cancel()

    async def stop(self) -> None:
        """Stop all processes in reverse start order; each gets `STOP_S` to drain."""
        while self._running:
            _, process = self._running.pop()
            if process.returncode is None:
                process.send_signal(signal.SIGTERM)
                try:
                    await asyncio.wait_for(process.wait(), STOP_S)
                except TimeoutError:
                    process.kill()


async def run(processes: Sequence[ProcessSpec], announcement: str) -> None:
    """Start `processes`, print `announcement`, and run until a signal arrives or one ends; raises `OperatorError`."""
    supervisor = Supervisor()
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    try:
        for spec in processes:
            await supervisor.start(spec)
            if stop.is_set():
                return
        print(announcement, flush=True)  # noqa: T201 - the program's output
        await _until(stop, supervisor)
    finally:
        await supervisor.stop()


async def _until(stop: asyncio.Event, supervisor: Supervisor) -> None:
    stopping = asyncio.create_task(stop.wait())
    ending = asyncio.create_task(supervisor.until_one_ends())
    try:
        await asyncio.wait([stopping, ending], return_when=asyncio.FIRST_COMPLETED)
        if ending.done() and not stop.is_set():
            raise OperatorError(f"{ending.result()} ended unexpectedly; all processes were stopped")
    finally:
        stopping.cancel()
        ending.cancel()
        await asyncio.gather(stopping, ending, return_exceptions=True)


async def _is_ready(spec: ProcessSpec) -> bool:
    if spec.ready_url is None:
        return await _is_open(spec.port)
    return await asyncio.to_thread(is_healthy, spec.ready_url, 200)


async def _is_open(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


def _die_with_parent() -> None:
    """In the child: have the kernel send SIGTERM when the parent dies. Linux only."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
