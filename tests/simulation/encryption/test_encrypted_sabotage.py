"""The schedules of encrypted conversations find each protection that is taken away, on the server and in the client.

docs/encryption.md says which test finds which of them. Each is looked for in the schedules in turn.
"""

import itertools
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import pytest

from services.history.app import HistoryApp, create_app
from tests.simulation.encryption.mutations import MUTATIONS, share_in_part
from tests.simulation.encryption.schedule import run
from tests.support.sabotage.history import SABOTAGES

MOST = 40
"""Schedules of which one must find it."""
WHAT = {
    "list_any": "thief", "claim_twice": "one-time key", "trust_unlisted": "did not list", "no_replay_check": "lie",
    "backup_unauthenticated": "of the server's",
}  # fmt: skip
"""What is found, where something else might be found by chance."""
ON_SERVER = ("recipient_check_off", "to_device_forget_early", "claim_twice", "list_any")


def found(create: Callable[..., HistoryApp], block: AbstractContextManager[object], what: str = "") -> bool:
    """Whether a schedule finds something that contains `what`."""
    with block:
        return any(what in sentence for seed in range(1, MOST + 1) for sentence in run(seed, create=create))


@pytest.mark.parametrize("sabotage", ON_SERVER)
def test_what_the_server_does_not_protect_is_found(sabotage: str) -> None:
    assert found(SABOTAGES[sabotage], nullcontext(), WHAT.get(sabotage, ""))


def test_messages_that_some_can_not_read_are_found_if_the_server_stores_them() -> None:
    """Clients share keys completely: only with a mistake of theirs it shows that the server does not count."""
    assert found(SABOTAGES["share_incomplete"], share_in_part(), "can't read")
    with share_in_part():
        stored = itertools.chain.from_iterable(map(run, range(1, 4)))
        assert not any("can't read" in sentence for sentence in stored)


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_a_mistake_of_the_client_is_found(mutation: str) -> None:
    assert found(create_app, MUTATIONS[mutation](), WHAT.get(mutation, ""))
