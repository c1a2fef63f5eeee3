"""What a reader does while there is trouble: it talks, reads back, comes into rooms, leaves them, loses its line."""

import asyncio
from random import Random

from tests.simulation.conditions import ROOMS, Conditions
from tests.simulation.reader import Reader


class Talk:
    """One reader's pastime."""

    def __init__(self, reader: Reader, conditions: Conditions, chance: Random) -> None:
        self._reader = reader
        self._conditions = conditions
        self._chance = chance

    async def run(self) -> None:
        """Do one thing after another, until cancelled."""
        while True:
            await asyncio.sleep(self._chance.expovariate(1 / self._conditions.pause_s))
            self._reader.look_at_the_clock()
            self._do_something()

    def _do_something(self) -> None:
        chance, conditions, reader = self._chance, self._conditions, self._reader
        if chance.random() < conditions.cuts:
            reader.cut()
        elif conditions.wanders and chance.random() < conditions.wanders:
            self._wander()
        elif conditions.pages and chance.random() < 0.1:
            self._read_back()
        elif reader.rooms:
            reader.say(chance.choice(sorted(reader.rooms)), chance.choice((0, 0, 10, 200)))

    def _wander(self) -> None:
        room = self._chance.choice(ROOMS[1:])
        if room in self._reader.rooms:
            self._reader.leave(room)
        else:
            self._reader.join(room)

    def _read_back(self) -> None:
        reader = self._reader
        if reader.rooms:
            room = self._chance.choice(sorted(reader.rooms))
            offset = self._chance.randint(1, reader.held[room].whole + 1)
            if self._chance.random() < 0.5:
                reader.read(room, after=offset)
            else:
                reader.read(room, before=offset)
