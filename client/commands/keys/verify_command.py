"""The commands `keys verify` and `keys approve`: compare numbers with the other screen, over a connection."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from chatterbox.wire.encryption.key_api import OwnDevice
from chatterbox.wire.errors import ChatError
from client.commands.keys.contact_keys import asked_whether_same
from client.commands.keys.key_output import ask_passphrase, tell
from client.context import ClientContext
from client.core import notes
from client.core.client_state import ClientState
from client.core.events import AwaySet
from client.encryption.command_link import LinkBroken
from client.encryption.core.verification.verification_state import VerificationEnd, VerificationNews
from client.encryption.device.verification_runner import VerificationRunner
from client.encryption.message_encryption import EncryptionWaits
from client.faces.pipe_faces import failure_of
from client.failures import ExitCode, Failure, ServerRefused, unreachable
from client.net.chat_connection import ChatConnection
from client.net.encryption_support import encryption_support
from client.net.keys.key_jobs import own_device
from client.net.keys.key_workspace import key_workspace
from client.text.encryption import verification_text
from client.text.sanitize import inert

_GOOD = {VerificationEnd.VERIFIED, VerificationEnd.DEVICE_VERIFIED}


def verify(context: ClientContext, username: str) -> ExitCode:
    """Compare keys with a user who is there, and mark the user as verified."""
    with key_workspace(context, creates=True, ask_passphrase=ask_passphrase) as workspace:
        workspace.own.set_up()
        name = workspace.user(username).username
    asked = verification_text.requested_line(name)
    talk = _Talk(context, name, asked, lambda runner: runner.request(name))
    return asyncio.run(talk.run())


def approve(context: ClientContext, start: str) -> ExitCode:
    """Compare keys with a new device of the user, and let it in; or with one that lets this device in."""
    with key_workspace(context, ask_passphrase=ask_passphrase) as workspace:
        workspace.own.set_up()
        device, name = own_device(workspace, start), workspace.identity.username
    asked = verification_text.own_requested_line(device.device)
    talk = _Talk(context, name, asked, lambda runner: _request_own(runner, device))
    return asyncio.run(talk.run())


async def _request_own(runner: VerificationRunner, device: OwnDevice) -> bool:
    return await runner.request_own(device.device, device.keys)


class _Talk:
    """One verification over a connection, until it ends."""

    def __init__(
        self, context: ClientContext, username: str, asked: str, begin: Callable[[VerificationRunner], Awaitable[bool]]
    ) -> None:
        self._username = username
        self._asked = asked
        self._begin = begin
        self._server = context.server
        self._news: asyncio.Queue[VerificationNews | Failure] = asyncio.Queue()
        self._welcomed = asyncio.Event()
        self._connection = ChatConnection(
            context.server,
            context.tokens,
            self._show,
            state=ClientState(follow=frozenset()),
            encryption=encryption_support(context, context.tokens.session()),
        )

    async def run(self) -> ExitCode:
        """Run it; raises `Failure`."""
        self._connection.request(AwaySet(True))
        connected = asyncio.create_task(self._connection.run())
        talk = asyncio.create_task(self._talk())
        try:
            await asyncio.wait({connected, talk}, return_when=asyncio.FIRST_COMPLETED)
            if talk.done():
                return talk.result()
            raise failure_of(connected.result()) or ServerRefused("The connection ended.")
        finally:
            talk.cancel()
            self._connection.quit()
            await asyncio.wait({connected, talk})

    async def _talk(self) -> ExitCode:
        runner = await self._runner()
        runner.on_news = self._news.put_nowait
        runner.on_failure = lambda sentence: self._news.put_nowait(ServerRefused(sentence))
        try:
            if await self._begin(runner):
                tell(self._asked)
            while True:
                news = await self._news.get()
                if isinstance(news, Failure):
                    raise news
                if news.username.casefold() != self._username.casefold() or news.is_requested:
                    continue
                if news.end is not None:
                    return self._ended(news)
                await self._compare(runner, news)
        except asyncio.CancelledError:
            with suppress(Failure, LinkBroken, ChatError):
                await asyncio.shield(runner.cancel(self._username))
            raise

    async def _runner(self) -> VerificationRunner:
        waiting = asyncio.create_task(self._welcomed.wait())
        failed = asyncio.create_task(self._news.get())
        await asyncio.wait({waiting, failed}, return_when=asyncio.FIRST_COMPLETED)
        if failed.done() and isinstance(problem := failed.result(), Failure):
            raise problem
        failed.cancel()
        try:
            return (await self._connection.ready_encryption()).verification
        except EncryptionWaits as waits:
            raise ServerRefused(waits.detail or "This server has no end-to-end encryption.") from None
        except (ChatError, LinkBroken) as problem:
            raise ServerRefused(str(problem) or "The connection was lost.") from None

    async def _compare(self, runner: VerificationRunner, news: VerificationNews) -> None:
        if news.comparison is None:
            return
        if news.is_own:
            lines = verification_text.own_comparison_lines(*news.comparison)
        else:
            lines = verification_text.comparison_lines(news.username, *news.comparison)
        for line in lines[:-1]:
            tell(line)
        same = await asyncio.to_thread(asked_whether_same)
        with suppress(Failure):  # it ended meanwhile, which the next news tells
            await runner.compared(self._username, same=same)

    def _ended(self, news: VerificationNews) -> ExitCode:
        for line in verification_text.news_lines(news):
            tell(line)
        return ExitCode.OK if news.end in _GOOD else ExitCode.REFUSED

    def _show(self, note: notes.Note) -> None:
        if isinstance(note, notes.WelcomeReceived):
            self._welcomed.set()
        elif isinstance(note, notes.Disconnected) and not self._welcomed.is_set():
            self._news.put_nowait(unreachable(self._server, inert(note.why)))
