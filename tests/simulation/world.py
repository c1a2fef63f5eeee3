"""One simulated world: gateways, what they stand on, readers, and what goes wrong. All of it follows from the seed."""

import asyncio
from collections.abc import Iterator, Mapping
from random import Random
from typing import Any

from services.gateway.settings import GatewaySettings
from services.history.sabotage import Sabotage
from tests.chaos import operations
from tests.chaos.verdict import ON_TIME_S
from tests.simulation import rest
from tests.simulation.broker import SimulatedBroker
from tests.simulation.conditions import ROOMS, Conditions, grid, stream
from tests.simulation.faults import FAULTS, Undo
from tests.simulation.history import StoredHistory
from tests.simulation.loop import SimulatedLoop
from tests.simulation.people import NOW_S, jwks, person
from tests.simulation.reader import Reader
from tests.simulation.service import AuthService, HistoryService
from tests.simulation.site import Site
from tests.simulation.sockets import Peer, SimulatedSocket
from tests.simulation.talk import Talk

LOOK_S = 0.25
"""Between two looks whether all is at rest (seconds)."""
MOST_LOOKS = round(ON_TIME_S / LOOK_S)


class World:
    """Everything there is in one schedule, and the record of what happened."""

    def __init__(
        self,
        seed: int,
        conditions: Conditions,
        loop: SimulatedLoop,
        settings: Mapping[str, Any],
        sabotage: Sabotage,
    ) -> None:
        self.loop = loop
        self.conditions = conditions
        self.record: list[operations.AnyOperation] = []
        self._complaints: list[str] = []
        self._chance = stream(seed, "world")
        self._edge = stream(seed, "edge")
        stored = _stored(conditions)
        self.broker = SimulatedBroker(conditions, stream(seed, "broker"))
        self._publishing = stream(seed, "publishing")
        self._published_s = 0.0
        self.history = HistoryService(
            conditions, stream(seed, "history"), stored, self._publish, self._now_ms, sabotage
        )
        self.auth = AuthService(conditions, stream(seed, "auth"), jwks())
        given = GatewaySettings(
            **{"heads_s": conditions.heads_s, "recent_messages": conditions.recent_messages, "drain_s": 1, **settings}
        )
        self.sites = [
            Site(conditions, stream(seed, f"site {number}"), self.broker, self.history, self.auth, given)
            for number in range(conditions.gateways)
        ]
        self.readers = [
            Reader(f"r{number}", person(number % conditions.people + 1), self, stream(seed, f"reader {number}"))
            for number in range(conditions.readers)
        ]
        self.backups: list[tuple[float, StoredHistory]] = [(0.0, stored.backup())]
        self._undo: dict[int, Undo] = {}
        self._struck = 0

    # For readers and services

    def note(self, operation: operations.AnyOperation) -> None:
        self.record.append(operation)

    def complain(self, sentence: str) -> None:
        self._complaints.append(sentence)

    def dial(self, peer: Peer, chance: Random, token: str | None) -> SimulatedSocket | None:
        return self._edge.choice(self.sites).dial(peer, chance, token)

    def _now_ms(self) -> int:
        return NOW_S * 1000 + int(self.loop.time() * 1000)

    def _publish(self, items: list[tuple[str, bytes]]) -> None:
        """As history's announcer: after the commit, in the order of commits."""
        if items:
            self._published_s = max(self._published_s, self.loop.time() + grid(self._publishing, (0, 0.005)))
            self.loop.call_at(self._published_s, self.broker.take, items)

    # What happens

    async def run(self) -> list[str]:
        """Let it all happen; returns what is not as it should be when all has come to rest."""
        for site in self.sites:
            site.start()
        for reader in self.readers:
            self.loop.call_later(self._chance.uniform(0, 0.5), reader.dial)
        talk = [self.loop.create_task(self._talk(reader)) for reader in self.readers]
        talk.append(self.loop.create_task(self._strike()))
        await asyncio.sleep(self.conditions.talk_s)
        for task in talk:
            task.cancel()
        await self._heal()
        unrest = await self._rest()
        self.record.extend(self._read_all())
        return [*self._complaints, *unrest]

    def dissolve(self) -> list[operations.AnyOperation]:
        """Let go of everything but the record: a frame that is still held somewhere would keep it all in memory."""
        self.history.stored = StoredHistory()
        for parts in (self.sites, self.readers, self.broker.lines, self.backups):
            parts.clear()
        record, self.record = self.record, []
        return record

    async def _talk(self, reader: Reader) -> None:
        await Talk(reader, self.conditions, self._chance_of(reader)).run()

    def _chance_of(self, reader: Reader) -> Random:
        return Random(f"{self._edge.random()} {reader.name}")

    async def _strike(self) -> None:
        chance = self._chance
        while self.conditions.faults_per_s and self.conditions.faults:
            await asyncio.sleep(chance.expovariate(self.conditions.faults_per_s))
            if chance.random() < 0.3:
                self.backups.append((self.loop.time(), self.history.stored.backup()))
            fault = FAULTS[chance.choice(self.conditions.faults)]
            undo = fault.strike(self, chance)
            if undo is not None:
                self._struck += 1
                self._undo[self._struck] = undo
                self.loop.call_later(chance.uniform(*fault.hold_s), self._mend, self._struck)

    def _mend(self, number: int) -> None:
        if (undo := self._undo.pop(number, None)) is not None:
            undo()

    async def _heal(self) -> None:
        """Nothing goes wrong any more; what is broken is mended."""
        for number in tuple(self._undo):
            self._mend(number)
        self.broker.is_calm = self.history.is_calm = self.auth.is_calm = True
        for _ in range(MOST_LOOKS):
            if all(site.is_up for site in self.sites):
                break
            await asyncio.sleep(LOOK_S)  # fixed: simulated time
        self.note(operations.Healed(at_s=self.loop.time()))
        for reader in self.readers:
            for room in ROOMS:
                self.loop.call_later(self._chance.uniform(0, 0.5), self._last_word, reader, room)

    @staticmethod
    def _last_word(reader: Reader, room: str) -> None:
        if room in reader.rooms:
            reader.say(room)

    async def _rest(self) -> list[str]:
        await asyncio.sleep(2 * LOOK_S)  # fixed: simulated time
        for _ in range(MOST_LOOKS):
            if not (unrest := list(rest.unrest(self))):
                break
            await asyncio.sleep(LOOK_S)  # fixed: simulated time
            for reader in self.readers:
                reader.look_at_the_clock()
        return unrest

    def _read_all(self) -> Iterator[operations.Stored]:
        for room in self.history.stored.rooms.values():
            for message in room.messages:
                yield operations.Stored(
                    at_s=self.loop.time(), room=room.name, epoch=room.epoch, offset=message.offset,
                    username=message.username, content=message.content,
                )  # fmt: skip


def _stored(conditions: Conditions) -> StoredHistory:
    stored = StoredHistory()
    for name in ROOMS:
        room = stored.add(name, everyone=name == ROOMS[0])
        for number in range(1, conditions.people + 1):
            if room.everyone or number % 2:
                room.members[number] = person(number).username
    return stored
