"""What is typed as a value, and what is said where it is none."""

from argparse import ArgumentTypeError

import pytest

from client.cli import values


@pytest.mark.parametrize("typed", ["0", "00", "none", "-1", "٣"])
def test_what_is_no_number_to_end_after_is_named_as_it_was_typed(typed: str) -> None:
    with pytest.raises(ArgumentTypeError, match=f"^'{typed}' is no number of messages"):
        values.some(typed)


def test_a_number_to_end_after_is_taken() -> None:
    assert values.some("3") == 3
