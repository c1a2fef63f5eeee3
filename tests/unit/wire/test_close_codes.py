"""Close codes and their sentences."""

import pytest

from chatterbox.wire.close_codes import SENTENCES, CloseCode, may_reconnect

MAY_RECONNECT = {
    CloseCode.GOING_AWAY,
    CloseCode.RESTART,
    CloseCode.BEHIND,
    CloseCode.EPOCH_CHANGED,
    CloseCode.CONNECT_TIMEOUT,
    CloseCode.UNAVAILABLE,
    CloseCode.TOO_MANY_CONNECTIONS,
}


@pytest.mark.parametrize("code", CloseCode)
class TestEveryCloseCode:
    def test_a_close_codes_sentence_fits_a_close_frame(self, code: CloseCode) -> None:
        """RFC 6455 section 5.5: 125 bytes, two of them the code."""
        assert 0 < len(SENTENCES[code].encode()) <= 123
        assert SENTENCES[code].endswith(".")

    def test_a_close_code_may_be_sent(self, code: CloseCode) -> None:
        """RFC 6455 section 7.4: 1004-1006 and 1015 never go over the wire; 4000-4999 are ours."""
        assert code in {1000, 1001, 1002, 1007, 1009, 1012} or 4000 <= code <= 4999

    def test_a_close_code_tells_whether_to_reconnect(self, code: CloseCode) -> None:
        assert may_reconnect(code) == (code in MAY_RECONNECT)


@pytest.mark.parametrize(
    ("code", "reconnects"), [(1005, True), (1006, True), (1011, True), (4499, True), (4500, False), (4999, False)]
)
def test_unknown_close_codes_are_interpreted_by_range(code: int, reconnects: bool) -> None:
    assert may_reconnect(code) == reconnects
