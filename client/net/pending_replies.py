"""Commands that the shell of encryption sends over the connection, and their replies."""

import asyncio
from collections.abc import Callable
from itertools import count

import msgspec

from chatterbox.wire import codec
from chatterbox.wire.errors import MEANINGS, ChatError, Code
from chatterbox.wire.frames import Command, ErrorFrame, Reply
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

    async def ask(self, command: Command) -> Reply:
        """Send a command under an id of its own. Raises `ChatError` if it is refused, and `LinkBroken`."""
        if self._broken:
            raise LinkBroken
        command_id = next(self._ids)
        reply = self._waiting[command_id] = asyncio.get_running_loop().create_future()
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

    def take(self, reply: Reply) -> None:
        """Take a reply to one of these commands; one that no one waits for is dropped."""
        waiting = self._waiting.get(reply.id or 0)
        if waiting is not None and not waiting.done():
            waiting.set_result(reply)

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
