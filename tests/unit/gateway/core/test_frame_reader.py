"""Client bytes become complete messages, however they are split; invalid bytes are rejected."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatterbox.wire.close_codes import CloseCode
from services.gateway.core.frame_reader import FrameReader, Opcode, ProtocolViolationError, read_close

TEXT, BINARY, PING, CLOSE, CONTINUATION = Opcode.TEXT, Opcode.BINARY, Opcode.PING, Opcode.CLOSE, Opcode.CONTINUATION


def framed(opcode: int, payload: bytes = b"", *, fin: bool = True, mask: bytes = b"\1\2\3\4") -> bytes:
    """Encode a client frame (RFC 6455 section 5.2), masked byte by byte (section 5.3)."""
    size = len(payload)
    wide = b"" if size < 126 else size.to_bytes(2) if size < 65_536 else size.to_bytes(8)
    short = size if size < 126 else 126 if size < 65_536 else 127
    masked = bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))
    return bytes([opcode | (0x80 if fin else 0), 0x80 | short]) + wide + mask + masked


def read(*pieces: bytes, max_bytes: int = 65_536, max_fragments: int = 64) -> list[tuple[int, bytes]]:
    reader = FrameReader(max_bytes, max_fragments)
    return [each for piece in pieces for each in reader.feed(piece)]


def violation(*pieces: bytes, **bounds: int) -> tuple[list[tuple[int, bytes]], CloseCode]:
    """Messages before the violation, and its code."""
    reader, messages = FrameReader(bounds.get("max_bytes", 65_536), bounds.get("max_fragments", 64)), []
    try:
        for piece in pieces:
            for each in reader.feed(piece):
                messages.append(each)  # noqa: PERF402 - messages before the violation count
    except ProtocolViolationError as caught:
        return messages, caught.code
    raise AssertionError(f"no violation: {messages}")


class TestMessages:
    @pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65_535, 65_536])
    def test_messages_of_every_length_encoding_are_unmasked(self, size: int) -> None:
        payload = os.urandom(size)
        assert read(framed(BINARY, payload, mask=os.urandom(4))) == [(BINARY, payload)]

    def test_fragments_are_joined_and_pings_between_come_first(self) -> None:
        sent = framed(TEXT, b"a", fin=False) + framed(PING, b"p") + framed(CONTINUATION, b"b")
        assert read(sent) == [(PING, b"p"), (TEXT, b"ab")]

    def test_message_after_a_fragmented_one_is_separate(self) -> None:
        sent = framed(BINARY, b"a", fin=False) + framed(CONTINUATION, b"b") + framed(TEXT, b"c")
        assert read(sent) == [(BINARY, b"ab"), (TEXT, b"c")]

    def test_complete_messages_leave_no_buffer(self) -> None:
        reader = FrameReader(65_536, 64)
        assert list(reader.feed(framed(TEXT, b"a") + framed(TEXT, b"b")[:3])) == [(TEXT, b"a")]
        assert list(reader.feed(framed(TEXT, b"b")[3:])) == [(TEXT, b"b")]
        assert (reader._buffer, reader._fragments, reader._message_bytes) == (None, None, 0)

    @given(st.lists(st.binary(max_size=300), min_size=1, max_size=8), st.data())
    def test_messages_do_not_depend_on_how_the_bytes_are_split(
        self, payloads: list[bytes], data: st.DataObject
    ) -> None:
        fragments = [(TEXT if index == 0 else CONTINUATION, payload) for index, payload in enumerate(payloads)]
        sent = b"".join(framed(opcode, payload, fin=False) for opcode, payload in fragments)
        sent += framed(PING, b"ping") + framed(CONTINUATION, b"end") + framed(BINARY, b"".join(payloads)[:200])
        cuts = sorted(data.draw(st.lists(st.integers(0, len(sent)), max_size=12)))
        pieces = [sent[start:end] for start, end in zip([0, *cuts], [*cuts, len(sent)], strict=True)]
        assert read(*pieces) == [
            (PING, b"ping"),
            (TEXT, b"".join(payloads) + b"end"),
            (BINARY, b"".join(payloads)[:200]),
        ]


class TestViolations:
    @pytest.mark.parametrize(
        "sent",
        [
            framed(0x3),
            framed(0xB),
            framed(TEXT | 0x40, b"compressed"),
            framed(PING, b"x" * 126),
            framed(PING, fin=False),
            framed(CONTINUATION, b"of nothing"),
            framed(TEXT, b"a", fin=False) + framed(TEXT, b"b"),
            b"\x81\x02hi",
        ],
        ids=["opcode", "control", "reserved", "long-ping", "partial-ping", "no-start", "no-end", "unmasked"],
    )
    def test_invalid_frame_is_1002_and_complete_messages_before_it_count(self, sent: bytes) -> None:
        messages, code = violation(framed(TEXT, b"before") + sent)
        assert (messages[0], code) == ((TEXT, b"before"), CloseCode.PROTOCOL_ERROR)

    def test_oversized_message_is_detected_from_its_header(self) -> None:
        assert violation(framed(TEXT, b"x" * 11)[:2], max_bytes=10) == ([], CloseCode.TOO_BIG)

    def test_message_size_includes_all_fragments(self) -> None:
        sent = framed(TEXT, b"x" * 6, fin=False) + framed(CONTINUATION, b"x" * 5)
        assert violation(sent, max_bytes=10)[1] == CloseCode.TOO_BIG

    def test_message_size_limit_applies_to_each_message(self) -> None:
        sent = framed(TEXT, b"x" * 6, fin=False) + framed(CONTINUATION, b"x" * 4)
        assert len(read(sent * 3, max_bytes=10)) == 3

    def test_too_many_fragments_are_1009(self) -> None:
        sent = framed(TEXT, fin=False) + framed(CONTINUATION, fin=False) * 3
        assert read(sent, max_fragments=4) == []
        assert violation(sent + framed(CONTINUATION), max_fragments=4)[1] == CloseCode.TOO_BIG

    @given(st.lists(st.binary(max_size=80), max_size=5))
    def test_arbitrary_bytes_raise_nothing_but_protocol_violations(self, pieces: list[bytes]) -> None:
        try:
            messages = read(*pieces)
        except ProtocolViolationError:
            return
        assert sum(len(payload) for _, payload in messages) <= sum(map(len, pieces))


class TestReadClose:
    @pytest.mark.parametrize(
        ("payload", "expected"),
        [
            (b"", (1005, "")),
            (b"\x03\xe8", (1000, "")),
            (b"\x03\xe8bye", (1000, "bye")),
            (b"\x13\x87ours", (4999, "ours")),
        ],
    )
    def test_read_close_returns_code_and_reason(self, payload: bytes, expected: tuple[int, str]) -> None:
        assert read_close(payload) == expected

    @pytest.mark.parametrize("payload", [b"\x03", b"\x03\xed", b"\x03\xe7", b"\x13\x88", b"\x03\xe8\xff"])
    def test_read_close_rejects_truncated_and_reserved_codes_and_invalid_utf8(self, payload: bytes) -> None:
        with pytest.raises(ProtocolViolationError) as caught:
            read_close(payload)
        assert caught.value.code == CloseCode.PROTOCOL_ERROR
