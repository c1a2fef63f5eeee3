"""Sends batches of messages to history over internal RPC: one request and one response per batch.

The server side is `services/history/messages/append_server.py`. Any failure closes the connection, so a response
can't be mistaken for that of another batch; the next batch opens a new connection.
"""

import asyncio

from chatterbox.chassis.deadlines import deadline
from chatterbox.chassis.http import internal_http
from chatterbox.chassis.http.internal_http import CONNECT_S, DEADLINE_S, UnavailableError
from chatterbox.chassis.observability import request_ids
from chatterbox.chassis.rpc.rpc_client import NotHttpError, RpcClient, RpcRefusedError, open_rpc
from chatterbox.wire import history_api, untrusted_json
from chatterbox.wire.codec import encode
from chatterbox.wire.errors import ChatError, Code

PATH = "/internal/appends"
ANSWER_BYTES = 4 * 1024 * 1024
"""More than the answer to the largest batch can have."""


class AppendClient:
    """Brings batches, one after the other. It connects when there is something to bring."""

    def __init__(self, base_url: str, service_key: str) -> None:
        """`base_url` is history's, `http://` or `https://`."""
        self._where = base_url.rstrip("/")
        self._service_key = service_key
        self._turn = asyncio.Lock()
        self._line: RpcClient | None = None

    async def append(
        self, messages: list[history_api.Append]
    ) -> list[history_api.Appended | history_api.AppendRefused]:
        """Store messages in this order; when it returns they are durable. One outcome for each.

        Raises `ChatError`: history's refusal of them all, or `unavailable`: then they may be stored all the same.
        """
        request_id = request_ids.current() or request_ids.new()
        batch = encode(history_api.AppendBatch(messages, request_id))
        async with self._turn:
            answer = await self._asked(batch)
        if answer.refused is not None:
            raise self._refusal(answer.refused)
        return answer.outcomes

    async def close(self) -> None:
        if self._line is not None:
            self._line.close()
            self._line = None

    async def _asked(self, batch: bytes) -> history_api.AppendAnswer:
        try:
            async with deadline(DEADLINE_S):
                return untrusted_json.decode_json(await self._exchanged(batch), history_api.AppendAnswer)
        except untrusted_json.UnreadableError:
            self._drop()
            raise internal_http.unexpected_service(self._where, PATH) from None
        except (OSError, TimeoutError) as failure:
            self._drop()
            raise internal_http.no_answer(self._where, failure) from failure
        except BaseException:
            self._drop()
            raise

    async def _exchanged(self, batch: bytes) -> bytes:
        """Once more where a line that was kept open has ended, as it does when history restarts: messages have keys."""
        if self._line is not None:
            try:
                return await self._line.call(batch)
            except ConnectionError:
                self._line = None
        self._line = await self._open()
        return await self._line.call(batch)

    async def _open(self) -> RpcClient:
        try:
            async with deadline(CONNECT_S):
                return await open_rpc(self._where + PATH, self._service_key, ANSWER_BYTES)
        except RpcRefusedError as refused:
            raise internal_http.refusal(self._where, PATH, refused.status, refused.body) from None
        except NotHttpError:
            raise internal_http.unexpected_service(self._where, PATH) from None

    def _drop(self) -> None:
        if self._line is not None:
            self._line.abort()
            self._line = None

    def _refusal(self, refused: history_api.AppendRefused) -> ChatError:
        try:
            problem = ChatError(Code(refused.code), refused.detail, retry_after_s=refused.retry_after_s)
        except ValueError:  # a code that is none of ours
            return internal_http.unexpected_service(self._where, PATH)
        if problem.code is Code.INTERNAL:
            return UnavailableError(f"{self._where} answers with an error of its own; its log says why")
        return problem
