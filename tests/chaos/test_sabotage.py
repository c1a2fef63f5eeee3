"""With one protection removed, the fault suite must fail by the invariant that the protection serves.

A missing sync is found by simulated power loss, in `test_kill.py`.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.chaos.crowd import NOTHING_ENCRYPTED, Load
from tests.chaos.encrypted_crowd import EncryptedLoad
from tests.chaos.faults import available, named
from tests.chaos.process_site import processes
from tests.chaos.run import run
from tests.chaos.site import LIMITS
from tests.chaos.verdict import Invariant, Limits

pytestmark = pytest.mark.chaos

NOTHING: Mapping[str, str] = {}
HEADS_OFF = {"CHATTERBOX_HEADS_INTERVAL_S": "3600"}
"""Head comparison repairs what these two break, seconds later, so it is switched off as well."""
ENCRYPTED = EncryptedLoad(conversations=2, rooms=1, sends_per_s=30, counts_per_s=15, cuts_per_s=5, restarts_per_s=0)
QUICK = Limits(on_time_s=3, presence_late_s=2, files_s=5)


class Sabotage(NamedTuple):
    """A sabotage, the fault that makes it visible (None: no fault is needed), and the invariant that it breaks.

    There may be two, of a gateway and of history, each of which breaks its own.
    """

    name: str
    fault: str | None
    broken: Invariant
    other: tuple[str, Invariant] | None = None
    environment: Mapping[str, str] = NOTHING
    is_slow: bool = False
    """Whether it runs only with `CHATTERBOX_CHAOS=all`."""
    users: int = 10
    strikes: int = 1
    erasure: bool = False
    """Whether erased texts are searched for."""
    reads_per_s: float = 20
    calm_s: float = 1
    visitors: int = 0
    uploads_per_s: float = 0
    encrypted: EncryptedLoad = NOTHING_ENCRYPTED


SABOTAGES = [
    Sabotage("ack_before_commit", "disk full", Invariant.ACKED_IS_STORED),
    # A full disk fails one commit, and its messages must be resent in another order for this to show: all in one room.
    Sabotage(
        "publish_before_commit", "disk full", Invariant.ONE_MESSAGE_PER_POSITION, is_slow=True, users=2, strikes=4
    ),
    Sabotage("forget_keys", "connection to history slow", Invariant.STORED_WITHOUT_HOLES),
    Sabotage("own_offsets", None, Invariant.ACKED_IS_STORED),
    Sabotage("drop_frames", None, Invariant.STREAM_IN_ORDER),
    Sabotage("lose_changes", None, Invariant.CHANGES_JOIN),
    # It shows only where a device marks a message as unread that is older than what was read.
    Sabotage("forget_turn", None, Invariant.READ_STATE_HOLDS, reads_per_s=200),
    Sabotage(
        "no_grace",
        None,
        Invariant.PRESENCE_IS_TRUE,
        ("forget_unfiled", Invariant.FILES_ARE_NAMED),
        calm_s=4,
        visitors=12,
        uploads_per_s=5,
    ),
    Sabotage("keep_erased", None, Invariant.ERASED_IS_GONE, erasure=True),
    # An envelope must be stored after a device came that has no key of it, while connections are cut: a matter of
    # chance. Each run of all tests finds it by schedules, in `tests/simulation/encryption`.
    Sabotage(
        "recipient_check_off",
        "connection to history cut",
        Invariant.RECIPIENTS_READ,
        is_slow=True,
        calm_s=8,
        users=2,
        visitors=0,
        encrypted=ENCRYPTED,
    ),
    Sabotage("to_device_forget_early", None, Invariant.TO_DEVICE_IN_ORDER, calm_s=8, users=2, encrypted=ENCRYPTED),
    Sabotage("resubscribe_off", "subscribers killed", Invariant.ON_TIME, environment=HEADS_OFF, is_slow=True),
    Sabotage("canary_off", "subscriptions removed", Invariant.ON_TIME, environment=HEADS_OFF, is_slow=True),
]


@pytest.mark.parametrize("sabotage", SABOTAGES, ids=lambda sabotage: sabotage.name)
async def test_the_fault_suite_fails_by_the_expected_invariant_with(tmp_path: Path, sabotage: Sabotage) -> None:
    if sabotage.is_slow and os.environ.get("CHATTERBOX_CHAOS") != "all":
        pytest.skip("takes long: CHATTERBOX_CHAOS=all")
    environment = {**LIMITS, **sabotage.environment}
    names = [sabotage.name, *(sabotage.other or ())[:1]]
    async with processes(tmp_path, 2, environment=environment, sabotages=names) as site:
        if sabotage.fault is not None and sabotage.fault not in {fault.name for fault in available(site)}:
            pytest.skip(f"{sabotage.fault}: can't be had here")
        faults = [] if sabotage.fault is None else [named(sabotage.fault, site)] * sabotage.strikes
        load = Load(
            users=sabotage.users, connections=40, sends_per_s=200, cuts_per_s=10, reads_per_s=sabotage.reads_per_s,
            visitors=sabotage.visitors, uploads_per_s=sabotage.uploads_per_s, encrypted=sabotage.encrypted,
        )  # fmt: skip
        outcome = await run(site, load, faults, erasure=sabotage.erasure, limits=QUICK, calm_s=sabotage.calm_s)
    assert {sabotage.broken, *(sabotage.other or ())[1:]} <= outcome.verdict.broken
