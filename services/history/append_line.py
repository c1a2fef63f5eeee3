"""The line by which a gateway brings its messages: one kept-open WebSocket, a batch in each frame, answered in order.

An HTTP request for each batch cost more than storing it, where batches are small because little is said.
"""

import logging

from fastapi import APIRouter, WebSocket
from starlette.websockets import WebSocketDisconnect

from chatterbox.chassis import request_ids
from chatterbox.chassis.calls import require_service_key
from chatterbox.chassis.edge import answer
from chatterbox.wire import reading, store
from chatterbox.wire.codec import encode
from chatterbox.wire.errors import ChatError, Code
from services.history.history import History

log = logging.getLogger("chatterbox.history.append_line")

BATCH_BYTES = 8 * 1024 * 1024
"""No batch of messages is larger: its frame would end the line."""


async def appends(websocket: WebSocket) -> None:
    """Store batch after batch, until the gateway or this process goes."""
    try:
        require_service_key(websocket, websocket.app.state.service_key)
    except ChatError as problem:
        await websocket.send_denial_response(answer(problem))
        return
    await websocket.accept()
    try:
        while True:
            await websocket.send_bytes(encode(await answered(websocket.app.state.history, await _received(websocket))))
    except WebSocketDisconnect:
        pass


router = APIRouter()
router.add_websocket_route("/internal/appends", appends)


async def _received(websocket: WebSocket) -> bytes:
    message = await websocket.receive()
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message["code"])
    content: bytes | None = message.get("bytes")
    return message["text"].encode() if content is None else content


async def answered(history: History, data: bytes) -> store.AppendAnswer:
    """What became of the batch in `data`; total: whatever comes, the line goes on."""
    try:
        batch = reading.read(data, store.AppendBatch)
        request_ids.begin(request_ids.accepted(batch.request_id))
        return store.AppendAnswer(outcomes=await history.append(batch.messages))
    except reading.UnreadableError as problem:
        refusal = ChatError(Code.BAD_REQUEST, str(problem))
    except ChatError as problem:
        refusal = problem
    except Exception:
        log.exception("append.failed")
        refusal = ChatError(Code.INTERNAL)
    return store.AppendAnswer(refused=store.Refused(refusal.code, refusal.detail, refusal.retry_after_s))
