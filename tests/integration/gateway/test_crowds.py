"""Garbage collection while many clients connect and disconnect."""

from pathlib import Path

from chatterbox.chassis.gc_tuning import CHANGES_PER_COLLECTION
from tests.support.gc_recorder import collections
from tests.support.server import running
from tests.support.waiting import until


async def test_young_garbage_is_collected_every_few_connects_and_disconnects(tmp_path: Path) -> None:
    async with running(tmp_path) as server:
        token = await server.newcomer("alice")
        with collections() as generations:
            for _ in range(CHANGES_PER_COLLECTION):
                async with server.talker(token):
                    pass
            await until(lambda: len(generations) == 2, 10)
    assert generations == [1, 1]
