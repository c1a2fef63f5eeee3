"""The line by which this gateway brings messages to history: one kept-open WebSocket, a batch in each frame.

Its other end is `services/history/append_line.py`. Whatever goes wrong ends the line, so that no answer can be taken
for that of another batch; the next batch opens a new one.
"""

import asyncio

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from chatterbox.chassis import calls, request_ids
from chatterbox.chassis.calls import CONNECT_S, DEADLINE_S, UnavailableError
from chatterbox.wire import reading, store
from chatterbox.wire.codec import encode
from chatterbox.wire.errors import ChatError, Code

PATH = "/internal/appends"
ANSWER_BYTES = 4 * 1024 * 1024
"""More than the answer to the largest batch can have."""


class AppendLine:
    """Brings batches, one after the other. It connects when there is something to bring."""

    def __init__(self, base_url: str, service_key: str) -> None:
        """`base_url` is history's, `http://` or `https://`."""
        self._where = base_url.rstrip("/")
        self._service_key = service_key
        self._turn = asyncio.Lock()
        self._line: ClientConnection | None = None

    async def append(self, messages: list[store.Append]) -> list[store.Appended | store.Refused]:
        """Store messages in this order; when it returns they are durable. One outcome for each.

        Raises `ChatError`: history's refusal of them all, or `unavailable`: then they may be stored all the same.
        """
        request_id = request_ids.current() or request_ids.new()
        batch = encode(store.AppendBatch(messages, request_id))
        async with self._turn:
            answer = await self._asked(batch)
        if answer.refused is not None:
            raise self._refusal(answer.refused)
        return answer.outcomes

    async def close(self) -> None:
        if self._line is not None:
            line, self._line = self._line, None
            await line.close()

    async def _asked(self, batch: bytes) -> store.AppendAnswer:
        try:
            async with asyncio.timeout(DEADLINE_S):
                return reading.read(await self._exchanged(batch), store.AppendAnswer)
        except reading.UnreadableError:
            self._drop()
            raise calls.another_service(self._where, PATH) from None
        except (ConnectionClosed, OSError, TimeoutError) as failure:
            self._drop()
            raise calls.no_answer(self._where, failure) from failure
        except BaseException:
            self._drop()
            raise

    async def _exchanged(self, batch: bytes) -> bytes:
        """Once more where a line that was kept open has ended, as it does when history restarts: messages have keys."""
        if self._line is not None:
            try:
                return await _exchange(self._line, batch)
            except ConnectionClosed:
                self._line = None
        self._line = await self._open()
        return await _exchange(self._line, batch)

    async def _open(self) -> ClientConnection:
        try:
            return await connect(
                "ws" + self._where.removeprefix("http") + PATH,
                additional_headers={"Authorization": f"Bearer {self._service_key}"},
                compression=None,
                proxy=None,
                open_timeout=CONNECT_S,
                close_timeout=CONNECT_S,
                max_size=ANSWER_BYTES,
            )
        except InvalidStatus as refusal:
            raise calls.refusal(self._where, PATH, refusal.response.status_code, bytes(refusal.response.body)) from None
        except InvalidHandshake as failure:
            raise calls.another_service(self._where, PATH) from failure

    def _drop(self) -> None:
        if self._line is not None:
            self._line.transport.abort()
            self._line = None

    def _refusal(self, refused: store.Refused) -> ChatError:
        try:
            problem = ChatError(Code(refused.code), refused.detail, retry_after_s=refused.retry_after_s)
        except ValueError:  # a code that is none of ours
            return calls.another_service(self._where, PATH)
        if problem.code is Code.INTERNAL:
            return UnavailableError(f"{self._where} answers with an error of its own; its log says why")
        return problem


async def _exchange(line: ClientConnection, batch: bytes) -> bytes:
    await line.send(batch)
    answer = await line.recv(decode=False)
    return answer if isinstance(answer, bytes) else answer.encode()
