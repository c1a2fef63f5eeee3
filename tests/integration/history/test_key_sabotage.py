"""With one protection of keys removed, the check of what it protects fails; with all of them it passes."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TypeAlias

import msgspec
import pytest

from chatterbox.chassis.sqlite.backup import backup
from chatterbox.wire.frames.encryption import DeviceAddress
from chatterbox.wire.history_api import ClaimCall, ClaimedKeys
from services.history.app import create_app
from services.history.restore import restore
from tests.support.history import Service, Start
from tests.support.key_client import ask, bind, key_user
from tests.support.key_user import KeyDevice, KeyUser
from tests.support.sabotage.history import SABOTAGES, restores_keep_keys

Check: TypeAlias = Callable[[Start, Path], Awaitable[None]]


class Askers:
    """Devices of alice that claim keys of a device of bob."""

    def __init__(self, history: Service, theirs: KeyDevice) -> None:
        self._history = history
        self._theirs = theirs

    @classmethod
    async def begin(cls, history: Service) -> "Askers":
        """Upload a device of bob with two one-time keys and a fallback key."""
        bob = key_user(history, "bob")
        device = bob.device()
        upload = device.upload(one_time=device.one_time(2), fallback=device.fallback())
        (await ask(history, "PUT", "/keys/device", "bob", upload)).raise_for_status()
        (await ask(history, "PUT", "/keys/list", "bob", bob.list([device]))).raise_for_status()
        return cls(history, device)

    async def one_time_key(self, history: Service | None = None) -> str:
        """What another device is given; empty if it is the fallback key."""
        history = history or self._history
        mine = key_user(history, "alice").device()
        await bind(history, mine)
        of = (DeviceAddress("bob", self._theirs.id),)
        call = ClaimCall(user_id=mine.user.user_id, sid="s-1", device=mine.id, of=of)
        [given] = (await history.ask("claim", call, ClaimedKeys)).keys
        return "" if given.key.fallback else given.key.key


async def each_key_is_given_to_one_device(start: Start, _: Path) -> None:
    async with start() as history:
        await history.greet("alice", "bob")
        askers = await Askers.begin(history)
        assert await askers.one_time_key() != await askers.one_time_key()


async def lists_are_signed(start: Start, _: Path) -> None:
    async with start() as history:
        await history.greet("alice")
        alice = key_user(history, "alice")
        device = alice.device()
        await bind(history, device)
        other = KeyUser(alice.user).list([device])
        forged = msgspec.structs.replace(alice.list([device]), list=other.list)
        assert (await ask(history, "PUT", "/keys/list", body=forged)).status_code == 422


async def no_key_is_given_again_after_a_restore(start: Start, folder: Path) -> None:
    async with start() as history:
        await history.greet("alice", "bob")
        askers = await Askers.begin(history)
        backup(history.settings.database, folder / "copy")
        before = await askers.one_time_key()
    restore(history.settings.database, folder / "copy")
    async with start() as history:
        assert await askers.one_time_key(history) != before


CHECKS: list[tuple[Check, str, Callable[[], AbstractContextManager[None]]]] = [
    (each_key_is_given_to_one_device, "claim_twice", nullcontext),
    (lists_are_signed, "list_any", nullcontext),
    (no_key_is_given_again_after_a_restore, "", restores_keep_keys),
]


@pytest.mark.parametrize(("check", "sabotage", "block"), CHECKS)
async def test_the_check_passes_with_the_protection_and_fails_without(
    start: Start,
    tmp_path_factory: pytest.TempPathFactory,
    check: Check,
    sabotage: str,
    block: Callable[[], AbstractContextManager[None]],
) -> None:
    def started(create: Callable[..., object]) -> Start:
        folder = tmp_path_factory.mktemp("data")
        return lambda: start.func(folder, *start.args[1:], create=create)  # type: ignore[attr-defined]

    await check(started(create_app), tmp_path_factory.mktemp("copy"))
    with block(), pytest.raises(AssertionError):
        await check(started(SABOTAGES.get(sabotage, create_app)), tmp_path_factory.mktemp("copy"))
