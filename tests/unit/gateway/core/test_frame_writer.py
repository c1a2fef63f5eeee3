"""Another implementation of the protocol can read the encoded frames."""

import pytest
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import OPEN
from websockets.uri import parse_uri

from services.gateway.core.frame_writer import NO_STATUS, PING, close_frame, payload_of, pong_frame, text_frame


def read(data: bytes) -> list[Frame]:
    """Decode with the client of `websockets`."""
    client = ClientProtocol(parse_uri("ws://test"), state=OPEN, max_size=None)
    client.receive_data(data)
    assert client.parser_exc is None, client.parser_exc
    return [event for event in client.events_received() if isinstance(event, Frame)]


@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536, 200_000])
def test_text_of_any_length_is_one_frame(size: int) -> None:
    payload = b"x" * size
    [frame] = read(text_frame(payload))
    assert (frame.opcode, bytes(frame.data), frame.fin) == (Opcode.TEXT, payload, True)
    assert payload_of(text_frame(payload)) == payload


def test_joined_frames_are_read_separately() -> None:
    frames = read(text_frame(b"a") + PING + text_frame(b"b" * 300) + pong_frame(b"p"))
    assert [(frame.opcode, len(frame.data)) for frame in frames] == [
        (Opcode.TEXT, 1), (Opcode.PING, 0), (Opcode.TEXT, 300), (Opcode.PONG, 1),
    ]  # fmt: skip


@pytest.mark.parametrize(("code", "payload"), [(4501, b"\x11\x95why"), (NO_STATUS, b"")])
def test_close_frame_has_code_and_reason_or_neither(code: int, payload: bytes) -> None:
    [frame] = read(close_frame(code, "why"))
    assert (frame.opcode, bytes(frame.data)) == (Opcode.CLOSE, payload)
