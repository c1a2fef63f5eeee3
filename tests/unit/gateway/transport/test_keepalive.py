"""Everyone is pinged once in a period, and nobody who has gone."""

import asyncio

from chatterbox.chassis.tasks import background
from services.gateway.transport.keepalive import GROUPS, Keepalive

PING_S = 0.1


class Counted:
    """Counts its beats; says so when it has had `most`, and wants no more then."""

    def __init__(self, most: int) -> None:
        self.beats = 0
        self.most = most
        self.done = asyncio.Event()

    def ping(self) -> bool:
        self.beats += 1
        if self.beats == self.most:
            self.done.set()
        return self.beats < self.most


async def test_everyone_is_pinged_as_often_as_everyone_else() -> None:
    pulse, everyone = Keepalive(PING_S), [Counted(most=100) for _ in range(300)]
    first = Counted(most=4)
    for each in (first, *everyone):
        pulse.add(each)
    async with background(pulse.run(), "pulse"):
        await first.done.wait()
    assert {each.beats for each in everyone} <= {3, 4}


async def test_what_wants_no_more_is_let_go() -> None:
    pulse, gone, left = Keepalive(PING_S), Counted(most=1), Counted(most=3)
    pulse.add(gone)
    pulse.add(left)
    async with background(pulse.run(), "pulse"):
        await left.done.wait()
    assert gone.beats == 1
    assert not any(gone in portion for portion in pulse._groups)


def test_groups_are_about_as_large_as_each_other() -> None:
    pulse, everyone = Keepalive(PING_S), [Counted(most=1) for _ in range(2000)]
    for each in everyone:
        pulse.add(each)
    assert max(len(portion) for portion in pulse._groups) < 4 * 2000 / GROUPS
