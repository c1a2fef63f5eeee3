"""Parsing and formatting of positions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatterbox.wire.position import Position, parse


@given(epoch=st.text(min_size=1), offset=st.integers(0, 2**53 - 1))
def test_a_position_round_trips(epoch: str, offset: int) -> None:
    position = Position(epoch, offset)
    assert parse(str(position)) == position


@pytest.mark.parametrize(
    "text",
    ["", ":", "e", "e:", ":1", "e:-1", "e:+1", "e: 1", "e:1 ", "e:1.0", "e:x", "e:٣", "e:²", "e:1_0", "e:" + "9" * 17],
)
def test_malformed_positions_raise_value_error_with_the_format(text: str) -> None:
    with pytest.raises(ValueError, match="EPOCH:OFFSET"):
        parse(text)


@given(st.text())
def test_any_text_parses_or_raises_value_error(text: str) -> None:
    try:
        assert str(parse(text)).partition(":")[0] == text.partition(":")[0]
    except ValueError:
        return
