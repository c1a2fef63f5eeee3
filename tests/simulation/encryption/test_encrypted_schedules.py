"""Encryption in schedules that lose, kill, log out, remove, copy, clone, lie, set back and restore."""

import pytest

from tests.simulation.encryption.schedule import run

DIRECT = range(1, 16)
ROOMS = range(1, 11)


@pytest.mark.parametrize("seed", DIRECT)
def test_exactly_the_recipients_of_each_message_read_it_in_the_end(seed: int) -> None:
    assert run(seed) == [], f"python -m tests.simulation --encrypted --first {seed} --seeds 1"


@pytest.mark.parametrize("seed", ROOMS)
def test_so_do_the_members_of_a_private_room_that_come_and_go(seed: int) -> None:
    assert run(seed, in_room=True) == [], f"python -m tests.simulation --encrypted-rooms --first {seed} --seeds 1"
