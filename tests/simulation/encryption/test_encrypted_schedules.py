"""Encrypted conversations in schedules that lose, kill, log out, remove, copy, set back and restore."""

import pytest

from tests.simulation.encryption.schedule import run

SCHEDULES = range(1, 31)


@pytest.mark.parametrize("seed", SCHEDULES)
def test_exactly_the_recipients_of_each_message_read_it_in_the_end(seed: int) -> None:
    assert run(seed) == [], f"python -m tests.simulation --encrypted --first {seed} --seeds 1"
