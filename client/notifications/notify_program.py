"""Runs notification programs in the background: `notify-send`, or a command that the user configured."""

import asyncio
import html
import os
import signal
from collections.abc import Callable, Coroutine
from contextlib import suppress
from subprocess import DEVNULL, PIPE

from client.notifications.notification import Notification
from client.text.sanitize import inert

MAX_PROGRAMS = 4
"""Programs that run at the same time; further notifications are dropped."""
NOTIFY_SEND = "notify-send"


class NotifyProgram:
    """Starts programs without waiting for them. It raises nothing: errors are reported as sentences.

    For use within the event loop. Programs that still run when the loop ends are killed.
    """

    def __init__(self, report: Callable[[str], None], timeout_s: float) -> None:
        self._report = report
        self._timeout_s = timeout_s
        self._running: set[asyncio.Task[None]] = set()

    def notify_send(self, notification: Notification) -> None:
        """Show a desktop notification. Its body is markup there (Desktop Notifications Specification 1.2)."""
        body = html.escape(notification.body, quote=False)
        self._start(self._run((NOTIFY_SEND, "--app-name=chatterbox", "--", notification.title, body), b""))

    def command(self, command: tuple[str, ...], notification: Notification) -> None:
        """Run the configured command. Untrusted text is only in the JSON that it reads, never in its arguments."""
        self._start(self._run(command, notification.as_json()))

    async def until_done(self) -> None:
        """Wait for all running programs; none takes longer than the timeout."""
        await asyncio.gather(*self._running, return_exceptions=True)

    def _start(self, run: Coroutine[None, None, None]) -> None:
        if len(self._running) >= MAX_PROGRAMS:
            run.close()
            self._report(f"Notifications dropped: {MAX_PROGRAMS} notification programs are still running.")
            return
        task = asyncio.create_task(run)
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _run(self, command: tuple[str, ...], stdin: bytes) -> None:
        name = inert(command[0])
        try:
            process = await asyncio.create_subprocess_exec(
                *command, stdin=PIPE, stdout=DEVNULL, stderr=DEVNULL, start_new_session=True
            )
        except (OSError, ValueError) as problem:
            why = problem.strerror if isinstance(problem, OSError) else str(problem)
            self._report(f"Can't run the notification program {name}: {why}.")
            return
        try:
            await asyncio.wait_for(process.communicate(stdin), self._timeout_s)
        except TimeoutError:
            self._report(f"The notification program {name} timed out after {self._timeout_s:g} s.")
        finally:
            await _kill(process)
        if process.returncode and process.returncode > 0:
            self._report(f"The notification program {name} failed: exit code {process.returncode}.")


async def _kill(process: asyncio.subprocess.Process) -> None:
    """Kill a program that still runs, with its whole process group."""
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
