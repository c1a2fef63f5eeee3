"""One simulated world: gateways, their dependencies, readers and faults, all determined by the seed."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping
from random import Random
from typing import Any

from services.gateway.settings import GatewaySettings
from tests.chaos import operations
from tests.chaos.verdict import ON_TIME_S
from tests.simulation import end_state
from tests.simulation.activity import ReaderActivity
from tests.simulation.broker import SimulatedBroker
from tests.simulation.conditions import ROOMS, Conditions, grid, stream
from tests.simulation.faults import FAULTS, Undo
from tests.simulation.gateway_process import GatewayProcess
from tests.simulation.history import StoredHistory
from tests.simulation.loop import SimulatedLoop
from tests.simulation.people import NOW_S, jwks, person
from tests.simulation.reader import Reader
from tests.simulation.service import AuthService, HistoryService
from tests.simulation.sockets import Peer, SimulatedSocket
from tests.support.room_progress import RoomProgress, checksum
from tests.support.sabotage.gateway import GatewaySabotage

CHECK_S = 0.25
"""Time between checks whether the world is consistent (seconds)."""
MAX_CHECKS = round(ON_TIME_S / CHECK_S)


class World:
    """The parts of one schedule, and the record of what happened."""

    def __init__(
        self,
        seed: int,
        conditions: Conditions,
        loop: SimulatedLoop,
        settings: Mapping[str, Any],
        sabotage: GatewaySabotage,
        history: type[HistoryService],
    ) -> None:
        self.loop = loop
        self.conditions = conditions
        self.record: list[operations.AnyOperation] = []
        self._bugs: list[str] = []
        self._seed = seed
        self._rng = stream(seed, "world")
        self._edge = stream(seed, "edge")
        stored = _stored(conditions)
        self.broker = SimulatedBroker(conditions, stream(seed, "broker"))
        self._publishing = stream(seed, "publishing")
        self._published_s = 0.0
        self.history = history(conditions, stream(seed, "history"), stored, self._publish, self._now_ms)
        self.auth = AuthService(conditions, stream(seed, "auth"), jwks())
        gateway_settings = GatewaySettings(
            **{
                "heads_interval_s": conditions.heads_interval_s,
                "recent_messages": conditions.recent_messages,
                "drain_s": 1,
                **settings,
            }
        )
        self.gateways = [
            GatewayProcess(
                conditions,
                stream(seed, f"site {number}"),
                self.broker,
                self.history,
                self.auth,
                gateway_settings,
                sabotage,
            )
            for number in range(conditions.gateways)
        ]
        self.readers = [
            Reader(f"r{number}", person(number % conditions.people + 1), self, stream(seed, f"reader {number}"))
            for number in range(conditions.readers)
        ]
        self.backups: list[tuple[float, StoredHistory]] = [(0.0, stored.backup())]
        self._undo: dict[int, Undo] = {}
        self._faults = 0

    # For readers and services

    def note(self, operation: operations.AnyOperation) -> None:
        self.record.append(operation)

    def report_bug(self, sentence: str) -> None:
        self._bugs.append(sentence)

    def dial(self, peer: Peer, rng: Random, token: str | None) -> SimulatedSocket | None:
        return self._edge.choice(self.gateways).dial(peer, rng, token)

    def _now_ms(self) -> int:
        return NOW_S * 1000 + int(self.loop.time() * 1000)

    def _publish(self, items: list[tuple[str, bytes]]) -> None:
        """Publish like history's `CommitPublisher`: after the commit, in commit order."""
        if items:
            self._published_s = max(self._published_s, self.loop.time() + grid(self._publishing, (0, 0.005)))
            self.loop.call_at(self._published_s, self.broker.publish, items)

    # The schedule

    async def run(self) -> list[str]:
        """Run the schedule; returns the problems that remain in the end."""
        for gateway in self.gateways:
            gateway.start()
        for reader in self.readers:
            self.loop.call_later(self._rng.uniform(0, 0.5), reader.dial)
        tasks = [self.loop.create_task(self._act(reader)) for reader in self.readers]
        tasks += [self.loop.create_task(self._reading(reader).read()) for reader in self.readers]
        tasks.append(self.loop.create_task(self._strike()))
        await asyncio.sleep(self.conditions.talk_s)
        for task in tasks:
            task.cancel()
        await self._heal()
        problems = await self._settle(end_state.problems)
        await self._until_heard()
        self._agree()
        problems += await self._settle(end_state.read_problems)
        self.record.extend(self._read_all())
        return [*self._bugs, *problems]

    def dissolve(self) -> list[operations.AnyOperation]:
        """Drop everything but the record: a stack frame that is still referenced would keep it all in memory."""
        self.history.stored = StoredHistory()
        for parts in (self.gateways, self.readers, self.broker.connections, self.backups):
            parts.clear()
        record, self.record = self.record, []
        return record

    async def _act(self, reader: Reader) -> None:
        await ReaderActivity(reader, self.conditions, self._rng_for(reader)).run()

    def _reading(self, reader: Reader) -> ReaderActivity:
        return ReaderActivity(reader, self.conditions, stream(self._seed, f"reads of {reader.name}"))

    def _rng_for(self, reader: Reader) -> Random:
        return Random(f"{self._edge.random()} {reader.name}")

    async def _strike(self) -> None:
        rng = self._rng
        while self.conditions.faults_per_s and self.conditions.faults:
            await asyncio.sleep(rng.expovariate(self.conditions.faults_per_s))
            if rng.random() < 0.3:
                self.backups.append((self.loop.time(), self.history.stored.backup()))
            fault = FAULTS[rng.choice(self.conditions.faults)]
            undo = fault.strike(self, rng)
            if undo is not None:
                self._faults += 1
                self._undo[self._faults] = undo
                self.loop.call_later(rng.uniform(*fault.hold_s), self._undo_fault, self._faults)

    def _undo_fault(self, number: int) -> None:
        if (undo := self._undo.pop(number, None)) is not None:
            undo()

    async def _heal(self) -> None:
        """End all failures, undo active faults, and perhaps let every reader send once more."""
        for number in tuple(self._undo):
            self._undo_fault(number)
        self.broker.is_calm = self.history.is_calm = self.auth.is_calm = True
        for _ in range(MAX_CHECKS):
            if all(gateway.is_up for gateway in self.gateways):
                break
            await asyncio.sleep(CHECK_S)  # fixed: simulated time
        self.note(operations.Healed(at_s=self.loop.time()))
        for reader in self.readers if self.conditions.last_words else ():
            for room in ROOMS:
                self.loop.call_later(self._rng.uniform(0, 0.5), self._send_last, reader, room)

    @staticmethod
    def _send_last(reader: Reader, room: str) -> None:
        if room in reader.rooms:
            reader.send(room)

    async def _until_heard(self) -> None:
        """Wait until every gateway has noticed that its connection to the broker was deaf or lost."""
        for _ in range(MAX_CHECKS):
            if all(gateway.is_up and gateway.broker.is_up and not gateway.broker.is_deaf for gateway in self.gateways):
                break
            await asyncio.sleep(CHECK_S)  # fixed: simulated time

    def _agree(self) -> None:
        """Heal lost signals: each user reports a position in each room, or all devices connect again."""
        if not self.conditions.last_reads:
            for reader in self.readers:
                reader.cut()
            return
        for reader in {each.person.user_id: each for each in self.readers if not each.is_over}.values():
            for room in sorted(reader.rooms):
                self._reading(reader).mark(room, unread=True)

    async def _settle(self, check: Callable[["World"], Iterable[str]]) -> list[str]:
        await asyncio.sleep(2 * CHECK_S)  # fixed: simulated time
        for _ in range(MAX_CHECKS):
            if not (problems := list(check(self))):
                break
            await asyncio.sleep(CHECK_S)  # fixed: simulated time
            for reader in self.readers:
                reader.check_timeout()
        return problems

    def _read_all(self) -> Iterator[operations.AnyOperation]:
        for room in self.history.stored.rooms.values():
            for message in room.messages:
                pushed = room.message(message.offset)
                yield operations.Stored(
                    at_s=self.loop.time(), room=room.name, epoch=room.epoch, offset=message.offset,
                    username=message.username, content=message.content, rev=message.rev, checksum=checksum(pushed),
                    deleted=pushed.deleted, pinned=pushed.pinned,
                    reactions={each.emoji: each.by for each in pushed.reactions}, mentions=pushed.mentions,
                )  # fmt: skip
            for user_id, username in room.members.items():
                state = self.history.stored.reads.state(user_id, room)
                yield operations.StoredRead(
                    at_s=self.loop.time(), username=username, room=room.name, epoch=room.epoch, turn=state.turn,
                    offset=state.read, unread=state.unread, mentions=state.mentions, counted=state.counted,
                )  # fmt: skip
        for reader in self.readers:
            if reader.connection is not None:
                for room_name in sorted(reader.rooms):
                    yield from self._kept(reader.connection.name, reader.progress[room_name])

    def _kept(self, connection: str, progress: RoomProgress) -> Iterator[operations.Kept]:
        for message in progress.held.values():
            yield operations.Kept(
                at_s=self.loop.time(), connection=connection, room=message.room, epoch=message.at.epoch,
                offset=message.at.offset, rev=message.rev, checksum=checksum(message),
            )  # fmt: skip


def _stored(conditions: Conditions) -> StoredHistory:
    stored = StoredHistory()
    for name in ROOMS:
        room = stored.add(name, everyone=name == ROOMS[0])
        for number in range(1, conditions.people + 1):
            if room.everyone or number % 2:
                stored.admit(room, number, person(number).username)
    return stored
