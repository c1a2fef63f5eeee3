"""Values on the command line, and the errors for invalid ones."""

from argparse import ArgumentTypeError

import pytest

from client.cli import values


@pytest.mark.parametrize("typed", ["0", "00", "none", "-1", "٣"])
def test_an_invalid_positive_count_is_quoted_in_the_error(typed: str) -> None:
    with pytest.raises(ArgumentTypeError, match=f"^'{typed}' is not a number of messages"):
        values.positive_count(typed)


def test_a_positive_count_is_parsed() -> None:
    assert values.positive_count("3") == 3
