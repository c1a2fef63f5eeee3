"""A socket without a peer that records what is written to it and is never full."""

from chatterbox.wire import codec, frames
from chatterbox.wire.close_codes import CloseCode
from services.gateway.core.frame_writer import payload_of


class RecordingSocket:
    """Records each write, the close code, and the delays of reading."""

    unsent_bytes = 0
    delivered_bytes = 0
    close_code = 1006

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.closed: CloseCode | None = None
        self.delays_s: list[float] = []
        """Seconds for which reading was delayed, each time."""

    def try_write(self, finished: bytes) -> int:
        self.written.append(finished)
        return len(finished)

    def write(self, finished: bytes) -> None:
        self.written.append(finished)

    @property
    def frames(self) -> list[frames.ServerFrame]:
        """The frames written, if each write was one frame."""
        return [codec.decode_server_frame(payload_of(each)) for each in self.written]

    def delay_reading(self, seconds: float) -> None:
        self.delays_s.append(seconds)

    def close(self, code: CloseCode) -> None:
        self.closed = code

    def abort(self) -> None: ...
