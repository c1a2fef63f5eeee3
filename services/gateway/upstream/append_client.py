"""Sends batches of messages to history over internal RPC: one request and one response per batch.

The server side is `services/history/messages/append_server.py`. Any failure closes the connection, so a response
can't be mistaken for that of another batch; the next batch opens a new connection.
"""

import asyncio

from chatterbox.chassis.deadlines import deadline
from chatterbox.chassis.http import internal_http
from chatterbox.chassis.http.internal_http import CONNECT_S, DEADLINE_S, UnavailableError
from chatterbox.chassis.observability import request_ids
from chatterbox.chassis.rpc.rpc_client import NotHttpError, NotSentError, RpcClient, RpcRefusedError, open_rpc
from chatterbox.wire import history_api, untrusted_json
from chatterbox.wire.codec import encode
from chatterbox.wire.errors import ChatError, Code

PATH = "/internal/appends"
ANSWER_BYTES = 4 * 1024 * 1024
"""Limit of a response; larger than the response to the largest batch."""


class AppendClient:
    """Sends batches one after the other; connects when there is one to send."""

    def __init__(self, base_url: str, service_key: str) -> None:
        """`base_url` is history's, `http://` or `https://`."""
        self._base_url = base_url.rstrip("/")
        self._service_key = service_key
        self._lock = asyncio.Lock()
        self._rpc: RpcClient | None = None

    async def append(
        self, messages: list[history_api.Append], changes: list[history_api.AnyMessageChange]
    ) -> history_api.AppendAnswer:
        """Make the changes, then store the messages, each in this order; on return they are durable.

        The answer has one outcome for each of both. Raises `ChatError`: history's refusal of the whole batch, or
        `unavailable`; then it may have been stored.
        """
        request_id = request_ids.current() or request_ids.new()
        batch = encode(history_api.AppendBatch(messages, request_id, changes))
        async with self._lock:
            answer = await self._request(batch, is_repeatable=not changes)
        if answer.refused is not None:
            raise self._refusal(answer.refused)
        return answer

    async def close(self) -> None:
        if self._rpc is not None:
            self._rpc.close()
            self._rpc = None

    async def _request(self, batch: bytes, *, is_repeatable: bool) -> history_api.AppendAnswer:
        try:
            async with deadline(DEADLINE_S):
                return untrusted_json.decode_json(
                    await self._exchange(batch, is_repeatable=is_repeatable), history_api.AppendAnswer
                )
        except untrusted_json.UnreadableError:
            self._abort()
            raise internal_http.unexpected_service(self._base_url, PATH) from None
        except (OSError, TimeoutError) as failure:
            self._abort()
            raise internal_http.no_answer(self._base_url, failure) from failure
        except BaseException:
            self._abort()
            raise

    async def _exchange(self, batch: bytes, *, is_repeatable: bool) -> bytes:
        """Send and receive; retry once if an idle connection was closed, as by a restart.

        Keys make it safe to repeat messages. A change has none: the message may have been changed again meanwhile,
        through another gateway, and this change, made twice, would undo that. So it is repeated only if history can't
        have received it.
        """
        if self._rpc is not None:
            try:
                return await self._rpc.call(batch)
            except NotSentError:
                self._rpc = None
            except ConnectionError:
                if not is_repeatable:
                    raise
                self._rpc = None
        self._rpc = await self._open()
        return await self._rpc.call(batch)

    async def _open(self) -> RpcClient:
        try:
            async with deadline(CONNECT_S):
                return await open_rpc(self._base_url + PATH, self._service_key, ANSWER_BYTES)
        except RpcRefusedError as refused:
            raise internal_http.refusal(self._base_url, PATH, refused.status, refused.body) from None
        except NotHttpError:
            raise internal_http.unexpected_service(self._base_url, PATH) from None

    def _abort(self) -> None:
        if self._rpc is not None:
            self._rpc.abort()
            self._rpc = None

    def _refusal(self, refused: history_api.AppendRefused) -> ChatError:
        try:
            problem = ChatError(Code(refused.code), refused.detail, retry_after_s=refused.retry_after_s)
        except ValueError:  # a code that this version does not know
            return internal_http.unexpected_service(self._base_url, PATH)
        if problem.code is Code.INTERNAL:
            return UnavailableError(f"{self._base_url} reports an internal error; see its log")
        return problem
