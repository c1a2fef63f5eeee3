"""The schedules of encrypted conversations find each protection that is taken away, on the server and in the client."""

from collections.abc import Callable
from contextlib import nullcontext

import pytest

from services.history.app import HistoryApp, create_app
from tests.simulation.encryption.mutations import MUTATIONS
from tests.simulation.encryption.schedule import run
from tests.support.sabotage.history import SABOTAGES

FIRST = range(1, 12)
"""Seeds of which one must find it."""
ON_SERVER = ("recipient_check_off", "to_device_forget_early", "claim_twice")
"""The others can't be seen with clients that make no mistake, which share keys completely and sign their lists."""


def is_found(create: Callable[..., HistoryApp], mutation: str = "") -> bool:
    with MUTATIONS[mutation]() if mutation else nullcontext():
        return any(run(seed, create=create) for seed in FIRST)


@pytest.mark.parametrize("sabotage", ON_SERVER)
def test_what_the_server_does_not_protect_is_found(sabotage: str) -> None:
    assert is_found(SABOTAGES[sabotage])


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_a_mistake_of_the_client_is_found(mutation: str) -> None:
    assert is_found(create_app, mutation)
