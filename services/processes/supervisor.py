"""Starting processes in order, keeping watch, stopping them in reverse. If one ends by itself, all are stopped."""

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
STOP_S = 30.0
_PR_SET_PDEATHSIG = 1


class Supervisor:
    """The processes that run now."""

    def __init__(self) -> None:
        self._running: list[tuple[ProcessSpec, asyncio.subprocess.Process]] = []

    async def start(self, planned: ProcessSpec) -> None:
        """Start a process and wait until it serves; raises `OperatorError`."""
        given = planned.environment.get("CHATTERBOX_STDIN")
        process = await asyncio.create_subprocess_exec(
            *planned.command,
            cwd=ROOT,
            env={
                **os.environ,
                **{name: value for name, value in planned.environment.items() if name != "CHATTERBOX_STDIN"},
            },
            stdin=asyncio.subprocess.PIPE if given else asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            start_new_session=True,  # a Ctrl-C is for us alone: we stop them in order
            preexec_fn=_die_with_parent if sys.platform == "linux" else None,
        )
        self._running.append((planned, process))
        if given and process.stdin is not None:
            process.stdin.write(given.encode())
            process.stdin.close()
        await self._until_ready(planned, process)

    async def _until_ready(self, planned: ProcessSpec, process: asyncio.subprocess.Process) -> None:
        try:
            async with asyncio.timeout(READY_S):
                while not await _is_ready(planned):
                    if process.returncode is not None:
                        raise OperatorError(f"{planned.name} ended at once; it says why above")
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise OperatorError(f"{planned.name} is not ready after {READY_S:.0f} s; its log is above") from None

    async def until_one_ends(self) -> str:
        """Wait; returns the name of the first process that ends."""
        waiting = {asyncio.create_task(process.wait()): planned.name for planned, process in self._running}
        try:
            done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            return waiting[done.pop()]
        finally:
            for task in waiting:
                task.cancel()

    async def stop(self) -> None:
        """Stop all, the last one started first; each may take the time that it needs to drain."""
        while self._running:
            _, process = self._running.pop()
            if process.returncode is None:
                process.send_signal(signal.SIGTERM)
                try:
                    await asyncio.wait_for(process.wait(), STOP_S)
                except TimeoutError:
                    process.kill()


async def run(processes: Sequence[ProcessSpec], announcement: str) -> None:
    """Start `processes`, say so, and serve until a signal comes or one of them ends; raises `OperatorError`."""
    supervisor = Supervisor()
    told = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, told.set)
    try:
        for planned in processes:
            await supervisor.start(planned)
            if told.is_set():
                return
        print(announcement, flush=True)  # noqa: T201 - what its user waits for
        await _until(told, supervisor)
    finally:
        await supervisor.stop()


async def _until(told: asyncio.Event, supervisor: Supervisor) -> None:
    stopping = asyncio.create_task(told.wait())
    ending = asyncio.create_task(supervisor.until_one_ends())
    try:
        await asyncio.wait([stopping, ending], return_when=asyncio.FIRST_COMPLETED)
        if ending.done() and not told.is_set():
            raise OperatorError(f"{ending.result()} ended by itself; everything was stopped")
    finally:
        stopping.cancel()
        ending.cancel()
        await asyncio.gather(stopping, ending, return_exceptions=True)


async def _is_ready(planned: ProcessSpec) -> bool:
    if planned.ready_url is None:
        return await _is_open(planned.port)
    return await asyncio.to_thread(is_healthy, planned.ready_url, 200)


async def _is_open(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


def _die_with_parent() -> None:
    """In the child: be stopped by the kernel if we are killed. Linux only."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
