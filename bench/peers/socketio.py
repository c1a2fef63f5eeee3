"""Socket.IO over a WebSocket, as the load generator has to speak it: Engine.IO's packets (version 4) around it."""

from bench.subject import Dialect, Step


def socketio(port: int) -> Dialect:
    """`40` connects, `42[…]` is an event, and the server's ping `2` wants a `3`."""
    return Dialect(
        port=port,
        path="/socket.io/?EIO=4&transport=websocket",
        greeting=(Step("expect", '0{"sid"'), Step("send", "40"), Step("expect", '40{"sid"')),
        joining=(Step("send", '42["join","room-{r}"]'), Step("expect", '42["joined"')),
        message='42["say",{"room":"room-{r}","text":"{m}"}]',
        ping=("2", "3"),
    )
