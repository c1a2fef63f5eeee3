"""The internal RPC by which gateways append messages: one batch per request, its outcomes in the response.

A persistent connection carries the batches, because one HTTP request per batch costs more than storing a small batch.
"""

import logging

from chatterbox.chassis.core.caller_keys import CallerKeys, ServiceName
from chatterbox.chassis.http.http_app import ServiceApp
from chatterbox.chassis.http.http_protocol import HttpProtocol
from chatterbox.chassis.observability import request_ids
from chatterbox.chassis.rpc.rpc_server import rpc_upgrade_protocol
from chatterbox.wire import history_api, untrusted_json
from chatterbox.wire.codec import encode
from chatterbox.wire.errors import ChatError, Code
from services.history.history import HistoryService
from services.history.history_context import HistoryContext

log = logging.getLogger("chatterbox.history.append_server")

PATH = "/internal/appends"
MAX_BATCH_BYTES = 8 * 1024 * 1024
"""The largest batch; a larger one closes the connection."""


def append_protocol(app: ServiceApp[HistoryContext], callers: CallerKeys) -> type[HttpProtocol]:
    """The HTTP protocol class that `app` must be served with so that gateways can append messages."""

    async def answer(batch: bytes) -> bytes:
        return encode(await answer_batch(app.context.history, batch))

    return rpc_upgrade_protocol(PATH, callers, ServiceName.GATEWAY, answer, MAX_BATCH_BYTES)


async def answer_batch(history: HistoryService, data: bytes) -> history_api.AppendAnswer:
    """Append the batch in `data`. Every failure becomes an answer, so the connection stays open."""
    try:
        batch = untrusted_json.decode_json(data, history_api.AppendBatch)
        request_ids.begin(request_ids.accepted(batch.request_id))
        return await history.append(batch)
    except untrusted_json.UnreadableError as problem:
        refusal = ChatError(Code.BAD_REQUEST, str(problem))
    except ChatError as problem:
        refusal = problem
    except Exception:
        log.exception("append.failed")
        refusal = ChatError(Code.INTERNAL)
    return history_api.AppendAnswer(
        refused=history_api.AppendRefused(refusal.code, refusal.detail, refusal.retry_after_s)
    )
