"""Many come and go, and nobody waits for the garbage collector."""

from pathlib import Path

from chatterbox.chassis.gc_tuning import CHANGES_PER_COLLECTION
from tests.support.garbage import collections
from tests.support.server import running
from tests.support.waiting import until


async def test_what_a_crowd_is_made_of_is_looked_through_while_it_comes_and_goes(tmp_path: Path) -> None:
    async with running(tmp_path) as server:
        token = await server.newcomer("alice")
        with collections() as seen:
            for _ in range(CHANGES_PER_COLLECTION):
                async with server.talker(token):
                    pass
            await until(lambda: len(seen) == 2, 10)
    assert seen == [1, 1]
