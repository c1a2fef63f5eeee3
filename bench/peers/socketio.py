"""Socket.IO over a WebSocket, in Engine.IO packets (version 4)."""

from bench.subject import Dialect, Step


def socketio(port: int) -> Dialect:
    """`40` connects, `42[…]` is an event, and the server's ping `2` requires the reply `3`."""
    return Dialect(
        port=port,
        path="/socket.io/?EIO=4&transport=websocket",
        greeting=(Step("expect", '0{"sid"'), Step("send", "40"), Step("expect", '40{"sid"')),
        joining=(Step("send", '42["join","room-{r}"]'), Step("expect", '42["joined"')),
        message='42["say",{"room":"room-{r}","text":"{m}"}]',
        ping=("2", "3"),
    )
