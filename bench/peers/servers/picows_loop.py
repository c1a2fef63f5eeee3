"""A chat room with picows, WebSockets in Cython: `send` for each connection of the room."""

import asyncio
import sys
from collections import defaultdict

import uvloop
from picows import (  # type: ignore[import-not-found]
    WSFrame,
    WSListener,
    WSMsgType,
    WSTransport,
    WSUpgradeRequest,
    ws_create_server,
)

rooms: dict[bytes, set[WSTransport]] = defaultdict(set)


class Member(WSListener):  # type: ignore[misc]  # picows has no types
    """One connection."""

    def __init__(self, room: set[WSTransport]) -> None:
        super().__init__()
        self._room = room

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._room.add(transport)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self._room.discard(transport)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code(), frame.get_close_message())
            transport.disconnect()
        elif frame.msg_type == WSMsgType.TEXT:
            message = frame.get_payload_as_bytes()
            for member in self._room:
                member.send(WSMsgType.TEXT, message)


def listener(request: WSUpgradeRequest) -> Member:
    return Member(rooms[request.path])


async def main() -> None:
    server = await ws_create_server(listener, "127.0.0.1", int(sys.argv[1]), backlog=4096)
    await server.serve_forever()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
