"""The list of peers. A new peer needs an entry here and a server in `servers/`."""

from bench.peers.nats import NATS
from bench.peers.peer import Kind, node, one_by_one, pages, python
from bench.peers.socketio import socketio

_UVLOOP = {"uvloop": "0.23.0"}
_UVICORN = {"uvicorn": "0.54.0", "httptools": "0.9.0", "websockets": "17.4", **_UVLOOP}
_FASTAPI = {"fastapi": "0.165.0", **_UVICORN}
_BROADCASTER = {"broadcaster[redis]": "0.3.1", **_FASTAPI}
_PYTHON_SOCKETIO = {"python-socketio": "5.18.1", "redis": "8.1.0", **_UVICORN}
_SOCKET_IO = {"socket.io": "4.8.4", "@socket.io/redis-adapter": "8.3.0", "redis": "6.3.1"}

KINDS: tuple[Kind, ...] = (
    python("fastapi_by_hand", "FastAPI", _FASTAPI),
    python("fastapi_broadcaster", "FastAPI, broadcaster, Redis", _BROADCASTER, one_by_one, has_redis=True),
    python("websockets_broadcast", "websockets broadcast", {"websockets": "17.4", **_UVLOOP}),
    python("picows_loop", "picows", {"picows": "2.3.1", **_UVLOOP}),
    python("socketify_publish", "socketify (uWebSockets)", {"socketify": "0.0.31"}),
    python("python_socketio", "python-socketio, Redis", _PYTHON_SOCKETIO, socketio, has_redis=True),
    node("node_ws", "Node ws", {"ws": "8.23.0"}),
    node("socket_io", "Socket.IO, Redis adapter", _SOCKET_IO, socketio, has_redis=True),
    NATS,
)
PAGE_KINDS: tuple[Kind, ...] = (
    python("fastapi_pages", "FastAPI, aiosqlite", {**_FASTAPI, "aiosqlite": "0.22.1"}, pages),
)
"""Peers that serve pages, and have no WebSocket."""
