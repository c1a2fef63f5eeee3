"""Carries out the slash commands about keys: `/verify`, `/unverify`, `/number`, `/keys`.

What needs vodozemac or cryptography is imported by the jobs, which run in threads. What asks for a recovery key is left
to the command line: what is typed in a chat stays in its input history.
"""

import asyncio
import secrets
from collections.abc import Callable, Coroutine
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, Protocol

from chatterbox.wire.errors import ChatError
from client.context import ClientContext
from client.encryption.command_link import LinkBroken
from client.faces.background_jobs import BackgroundJobs
from client.failures import Failure
from client.net.chat_connection import ChatConnection
from client.text.encryption import keys_text
from client.text.encryption.verification_text import own_requested_line, requested_line
from client.text.sanitize import inert

if TYPE_CHECKING:
    from types import ModuleType

    from client.encryption.core.recovery_dialog import RecoveryDialog
    from client.encryption.message_encryption import MessageEncryption
    from client.net.keys.key_workspace import KeyWorkspace

OFFLINE = "Offline: try again when there is a connection, or the server has no end-to-end encryption."
IN_A_SHELL = ("recover", "doctor", "reset")
"""Parts of `/keys` for which the chat names the command of the shell."""
_USAGE = "Usage: /keys [devices | code | approve ID | refuse ID | remove ID | accept USERNAME]"


class KeysHost(Protocol):
    """What a face provides for these commands."""

    connection: ChatConnection

    def notice(self, text: str) -> None:
        """Show a notice of the client; `text` is inert."""


class KeyCommands:
    """The commands of one face."""

    def __init__(self, host: KeysHost, context: ClientContext, jobs: BackgroundJobs) -> None:
        self._host = host
        self._context = context
        self._jobs = jobs
        self._dialog: RecoveryDialog | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def verify(self, typed: str) -> None:
        """Ask a user to compare keys, or take the answer of the one who compared."""
        username, _, answer = typed.partition(" ")

        async def work(encryption: "MessageEncryption") -> None:
            if answer:
                await encryption.verification.compared(username, same=answer == "yes")
                encryption.on_readiness()
            elif await encryption.verification.request(username):
                self._host.notice(requested_line(username))

        if answer:
            self._online(work)
        else:  # the newest keys first
            self._job(lambda keys: keys.user(username), then=lambda _: self._online(work))

    def unverify(self, username: str) -> None:
        """Take the mark of a verified user back."""
        self._job(lambda keys: _jobs().unverify(keys, username), then=self._told)

    def number(self, username: str) -> None:
        """Show the safety number with a user."""
        self._job(lambda keys: _jobs().number(keys, username), then=self._told)

    def keys(self, typed: str) -> None:
        """Carry out `/keys ...`."""
        what, _, target = typed.partition(" ")
        match what, target.split():
            case "", []:
                self._job(lambda keys: _jobs().status(keys), then=self._told)
            case "devices", []:
                self._job(lambda keys: _jobs().devices(keys), then=self._told)
            case "code", words:
                self._code(" ".join(words))
            case "approve", [device]:
                self._job(lambda keys: _jobs().own_device(keys, device), then=self._approve)
            case "refuse", [device]:
                self._job(lambda keys: _jobs().refuse(keys, _jobs().pending_device(keys, device)), then=self._told)
            case "remove", [device]:
                device = inert(device)
                self._host.notice(f"{device} will get no keys any more, for ever: /keys remove {device} confirm")
            case "remove", [device, "confirm"]:
                self._job(lambda keys: _jobs().remove(keys, _jobs().other_device(keys, device)), then=self._told)
            case "accept", [username]:
                self._job(lambda keys: _jobs().accept(keys, username), then=self._told)
            case what, [] if what in IN_A_SHELL:
                self._host.notice(f"In a shell: {inert(self._context.session_file.command('keys'))} {what}")
            case _:
                self._host.notice(_USAGE)

    def _approve(self, found: Any) -> None:  # noqa: ANN401 - an `OwnDevice`, whose module loads late
        async def work(encryption: "MessageEncryption") -> None:
            if await encryption.verification.request_own(found.device, found.keys):
                self._host.notice(own_requested_line(found.device))

        self._online(work)

    def _code(self, typed: str) -> None:
        """Show a recovery key; or take what was typed back of it."""
        if self._dialog is None or not typed:
            self._job(_may_have_recovery_key, then=self._show_recovery_key)
            return
        from client.encryption.core import recovery_dialog
        from client.encryption.core.recovery_dialog import Typed

        typed_as, self._dialog = recovery_dialog.answer(self._dialog, typed)
        if typed_as is Typed.WRONG:
            self._host.notice(keys_text.RECOVERY_KEY_WRONG)
            return
        key, self._dialog = self._dialog.key, None
        if typed_as is Typed.LATER:
            self._host.notice(keys_text.RECOVERY_KEY_POSTPONED)
            self._postpone()
        else:
            self._job(lambda keys: _jobs().adopt_recovery_key(keys, key), then=self._told)

    def _show_recovery_key(self, refusal: list[str]) -> None:
        if refusal:
            self._told(refusal)
            return
        from client.encryption.core import recovery_dialog
        from client.encryption.device.recovery import new_recovery_key

        self._dialog = recovery_dialog.begin(new_recovery_key(), secrets.token_bytes(2))
        low, high = self._dialog.groups
        self._host.notice(keys_text.RECOVERY_KEY_INTRO)
        self._host.notice(f"    {self._dialog.shown}")
        self._host.notice(keys_text.RECOVERY_KEY_MEANING)
        self._host.notice(f"Then type /keys code and groups {low} and {high} of it; or /keys code later")

    def _postpone(self) -> None:
        if (encryption := self._host.connection.encryption) is not None:
            encryption.postpone_recovery_key()
            encryption.on_readiness()

    def _told(self, lines: list[str]) -> None:
        """Show what a job returned. It may have changed what waiting messages wait for."""
        for line in lines:
            self._host.notice(line)
        if (encryption := self._host.connection.encryption) is not None:
            encryption.on_readiness()

    def _online(self, work: "Callable[[MessageEncryption], Coroutine[Any, Any, None]]") -> None:
        """Do something over the connection."""
        encryption = self._host.connection.encryption
        if encryption is None:
            self._host.notice(OFFLINE)
            return

        async def run() -> None:
            try:
                await work(encryption)
            except (Failure, ChatError) as problem:
                self._host.notice(inert(str(problem)))
            except LinkBroken:
                self._host.notice(OFFLINE)

        task = asyncio.get_running_loop().create_task(run())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _job(self, job: "Callable[[KeyWorkspace], Any]", *, then: Callable[[Any], None]) -> None:
        """Do something with the key store and the server in a thread; `then` takes the result, in the event loop."""
        loop, variables = asyncio.get_running_loop(), copy_context()

        def run() -> list[str]:
            from client.net.keys.key_workspace import key_workspace

            with key_workspace(self._context) as keys:
                result = job(keys)
            loop.call_soon_threadsafe(then, result, context=variables)
            return []

        self._jobs.start(run)


def _jobs() -> "ModuleType":
    """`client.net.keys.key_jobs`, which loads late."""
    from client.net.keys import key_jobs

    return key_jobs


def _may_have_recovery_key(keys: "KeyWorkspace") -> list[str]:
    """Why no first recovery key can be made here; empty: it can."""
    if keys.secrets.master:
        return []
    return ["You have a recovery key. To make another one, in a shell: chatterbox keys code"]
