"""A connection as the client's encryption uses it: commands with replies, and pushes as they come."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import cast

import msgspec
from websockets.exceptions import ConnectionClosed

from chatterbox.wire import frames
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.frames import EncryptionCommand, EncryptionReply, ServerFrame
from client.core import frame_decoder
from tests.support.talker import Talker

REPLY_S = 20.0


class SocketLink:
    """Implements `client.encryption.command_link.CommandLink` over a talker's socket."""

    def __init__(self, talker: Talker) -> None:
        self._talker = talker
        self._last_id = 0
        self._replies: dict[int, asyncio.Future[ServerFrame]] = {}
        self.on_push: Callable[[frames.ToDevice], None] = lambda _: None

    async def ask(self, command: EncryptionCommand) -> EncryptionReply:
        """Send a command under the next id; raises `ChatError` if it is refused."""
        self._last_id += 1
        reply = self._replies[self._last_id] = asyncio.get_running_loop().create_future()
        sent = msgspec.structs.replace(command, id=self._last_id)
        await self._talker.say(msgspec.json.encode(sent).decode())
        answer = await asyncio.wait_for(reply, REPLY_S)
        if isinstance(answer, frames.ErrorFrame):
            raise ChatError(Code(answer.code), answer.detail)
        return cast("EncryptionReply", answer)

    async def listen(self) -> None:
        with suppress(ConnectionClosed):
            while True:
                data = await self._talker.socket.recv()
                frame = frame_decoder.decode(data.encode() if isinstance(data, str) else data)
                if isinstance(frame, frames.ToDevice):
                    self.on_push(frame)
                elif (reply := self._replies.pop(getattr(frame, "id", 0) or 0, None)) is not None and frame:
                    reply.set_result(frame)


@asynccontextmanager
async def socket_link(talker: Talker) -> AsyncIterator[SocketLink]:
    """Connect, and listen until the block ends."""
    async with talker:
        link = SocketLink(talker)
        listening = asyncio.create_task(link.listen())
        try:
            yield link
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
