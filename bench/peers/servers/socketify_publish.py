"""A chat room with socketify (uWebSockets in C++ for Python): `publish` to the room's topic."""

import sys
from typing import Any

from socketify import App, CompressOptions, OpCode  # type: ignore[import-not-found]

app = App()


def upgrade(answer: Any, request: Any, context: Any) -> None:  # noqa: ANN401 - socketify has no types
    key, protocol, extensions = (
        request.get_header(f"sec-websocket-{name}") for name in ("key", "protocol", "extensions")
    )
    answer.upgrade(key, protocol, extensions, context, {"room": request.get_url()})


def join(connection: Any) -> None:  # noqa: ANN401
    connection.subscribe(connection.get_user_data()["room"])


def say(connection: Any, message: str, opcode: Any) -> None:  # noqa: ANN401
    app.publish(connection.get_user_data()["room"], message, opcode)


app.ws("/*", {"compression": CompressOptions.DISABLED, "upgrade": upgrade, "open": join, "message": say})

if __name__ == "__main__":
    assert OpCode.TEXT
    app.listen({"host": "127.0.0.1", "port": int(sys.argv[1])})
    app.run()
