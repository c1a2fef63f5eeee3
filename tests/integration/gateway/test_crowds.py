"""Many come and go, and nobody waits for the garbage collector."""

import gc
from pathlib import Path

from chatterbox.chassis.garbage import SWEPT
from tests.support.server import running
from tests.support.waiting import until


async def test_what_a_crowd_is_made_of_is_looked_through_while_it_comes_and_goes(tmp_path: Path) -> None:
    swept: list[int] = []

    def look(phase: str, about: dict[str, int]) -> None:
        if phase == "stop":
            swept.append(about["generation"])

    async with running(tmp_path) as server:
        token = await server.newcomer("alice")
        gc.disable()
        gc.callbacks.append(look)
        try:
            for _ in range(SWEPT):
                async with server.talker(token):
                    pass
            await until(lambda: len(swept) == 2, 10)
        finally:
            gc.callbacks.remove(look)
            gc.enable()
    assert swept == [1, 1]
