"""Commands that the shell of encryption sends over the connection, and their replies."""

import asyncio
from collections.abc import Callable
from itertools import count
from typing import cast

import msgspec

from chatterbox.wire import codec
from chatterbox.wire.errors import MEANINGS, ChatError, Code
from chatterbox.wire.frames import Command, EncryptionCommand, EncryptionReply, ErrorFrame, Reply, ServerFrame
from client.core.client_state import REPLY_TIMEOUT_S
from client.encryption.command_link import LinkBroken

FIRST_ID = 2**52
"""The ids of these commands; the core counts its own from 1."""


class PendingReplies:
    """Sends commands over one connection, and returns the reply to each. `overdue` is called if one does not come."""

    def __init__(self, put: Callable[[bytes], None], overdue: Callable[[], None]) -> None:
        self._put = put
        self._overdue = overdue
        self._ids = count(FIRST_ID)
        self._waiting: dict[int, asyncio.Future[Reply]] = {}  # bounded: each has a task that waits for it
        self._broken = False

    async def ask(self, command: EncryptionCommand) -> EncryptionReply:
        """Send a command under an id of its own. Raises `ChatError` if it is refused, and `LinkBroken`."""
        return cast("EncryptionReply", await self.ask_any(command))

    async def ask_any(self, command: Command) -> Reply:
        """The same for a command that is not one of encryption."""
        if self._broken:
            raise LinkBroken
        command_id = next(self._ids)
        reply: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._waiting[command_id] = reply
        self._put(codec.encode(msgspec.structs.replace(command, id=command_id)))
        try:
            async with asyncio.timeout(REPLY_TIMEOUT_S):
                answer = await reply
        except TimeoutError:
            self._overdue()
            raise LinkBroken from None
        finally:
            self._waiting.pop(command_id, None)
        if isinstance(answer, ErrorFrame):
            raise _refusal(answer)
        return answer

    def take(self, frame: ServerFrame) -> bool:
        """Take a frame if it is the reply to one of these commands; one that no one waits for any more is dropped."""
        command_id = getattr(frame, "id", None)
        if command_id is None or command_id < FIRST_ID:
            return False
        waiting = self._waiting.get(command_id)
        if waiting is not None and not waiting.done():
            waiting.set_result(cast("Reply", frame))
        return True

    def close(self) -> None:
        """The connection ended: whatever waits for a reply gets `LinkBroken`."""
        self._broken = True
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(LinkBroken())


def _refusal(error: ErrorFrame) -> Exception:
    try:
        code = Code(error.code)
    except ValueError:
        code = Code.INTERNAL
    return ChatError(code, error.detail or MEANINGS[code].sentence)
