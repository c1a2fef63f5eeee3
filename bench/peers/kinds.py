"""Which peers there are. A new one is an entry here and a server in `servers/`."""

from bench.peers.peer import Kind, node, python

UVICORN = {"fastapi": "0.165.0", "uvicorn": "0.54.0", "uvloop": "0.23.0", "httptools": "0.9.0", "websockets": "17.4"}

KINDS: tuple[Kind, ...] = (
    python("fastapi_by_hand", "FastAPI", UVICORN),
    node("node_ws", "Node ws", {"ws": "8.23.0"}),
)
