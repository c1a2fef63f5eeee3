"""Notices that other programs give: `notify-send`, or a command of the person's. They are run beside the chat."""

import asyncio
import html
import os
import signal
from collections.abc import Callable, Coroutine
from contextlib import suppress
from subprocess import DEVNULL, PIPE

from client.notifications.notification import Notification
from client.text.sanitize import inert

AT_ONCE = 4
"""Programs that run at the same time; a notice beyond that is not given."""
NOTIFY_SEND = "notify-send"


class NotifyProgram:
    """Runs programs without waiting for them. Nothing is raised: what goes wrong is told as a sentence.

    To be used from within the event loop. Whatever still runs when the loop ends is ended with it.
    """

    def __init__(self, tell: Callable[[str], None], timeout_s: float) -> None:
        self._tell = tell
        self._timeout_s = timeout_s
        self._running: set[asyncio.Task[None]] = set()

    def notify_send(self, notice: Notification) -> None:
        """Show a notice on the desktop. Its body is markup there (Desktop Notifications Specification 1.2)."""
        body = html.escape(notice.body, quote=False)
        self._start(self._run((NOTIFY_SEND, "--app-name=chatterbox", "--", notice.title, body), b""))

    def command(self, command: tuple[str, ...], notice: Notification) -> None:
        """Run a person's command. No text of others is among its arguments: all of that is in the JSON it reads."""
        self._start(self._run(command, notice.as_json()))

    async def until_done(self) -> None:
        """Wait for all that runs; none takes longer than its timeout."""
        await asyncio.gather(*self._running, return_exceptions=True)

    def _start(self, run: Coroutine[None, None, None]) -> None:
        if len(self._running) >= AT_ONCE:
            run.close()
            self._tell(f"Notices were left out: {AT_ONCE} programs that give them are still running.")
            return
        task = asyncio.create_task(run)
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _run(self, command: tuple[str, ...], given: bytes) -> None:
        name = inert(command[0])
        try:
            process = await asyncio.create_subprocess_exec(
                *command, stdin=PIPE, stdout=DEVNULL, stderr=DEVNULL, start_new_session=True
            )
        except (OSError, ValueError) as problem:
            why = problem.strerror if isinstance(problem, OSError) else str(problem)
            self._tell(f"{name} can't give notices: {why}.")
            return
        try:
            await asyncio.wait_for(process.communicate(given), self._timeout_s)
        except TimeoutError:
            self._tell(f"{name} was ended: it took longer than {self._timeout_s:g} s to give a notice.")
        finally:
            await _end(process)
        if process.returncode and process.returncode > 0:
            self._tell(f"{name} could not give a notice: exit code {process.returncode}.")


async def _end(process: asyncio.subprocess.Process) -> None:
    """End a program that still runs, with all that it started."""
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
