"""The line by which a gateway brings its messages: a batch is a question, what became of it the answer.

An HTTP request for each batch cost more than storing it, where batches are small because little is said.
"""

import logging

from fastapi import FastAPI

from chatterbox.chassis.http.http_protocol import HttpProtocol
from chatterbox.chassis.observability import request_ids
from chatterbox.chassis.rpc.rpc_server import rpc_upgrade_protocol
from chatterbox.wire import history_api, untrusted_json
from chatterbox.wire.codec import encode
from chatterbox.wire.errors import ChatError, Code
from services.history.history import HistoryService

log = logging.getLogger("chatterbox.history.append_server")

PATH = "/internal/appends"
BATCH_BYTES = 8 * 1024 * 1024
"""No batch of messages is larger: it would end the line."""


def door(app: FastAPI) -> type[HttpProtocol]:
    """The HTTP protocol class with which `app`, which is history, must be served for gateways to bring messages."""

    async def answer(batch: bytes) -> bytes:
        return encode(await answered(app.state.history, batch))

    return rpc_upgrade_protocol(PATH, app.state.service_key, answer, BATCH_BYTES)


async def answered(history: HistoryService, data: bytes) -> history_api.AppendAnswer:
    """What became of the batch in `data`; total: whatever comes, the line goes on."""
    try:
        batch = untrusted_json.decode_json(data, history_api.AppendBatch)
        request_ids.begin(request_ids.accepted(batch.request_id))
        return history_api.AppendAnswer(outcomes=await history.append(batch.messages))
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
