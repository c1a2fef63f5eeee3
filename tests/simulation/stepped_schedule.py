"""Schedules without time: one history, two gateways with tiny memories, three clients that roam, and a broker.

They drive the real `RoomStream` and `RoomChanges` of the gateway, the real plans of history, and the real core of the
client. The broker loses, duplicates, delays and reorders. In the end, every client and every memory must have exactly
what history has. A schedule takes a few milliseconds.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any
from unittest.mock import patch

from chatterbox.wire import frames, history_api
from services.gateway.core import room_changes, room_stream
from services.gateway.core.frame_writer import payload_of
from tests.simulation.history import StoredHistory
from tests.simulation.stepped_client import BrokenError, SteppedClient
from tests.simulation.stepped_gateway import SteppedGateway, message_of
from tests.simulation.stored_room import StoredRoom
from tests.support.room_progress import ALL_MESSAGES

STEPS = 120
MAX_BEFORE = 12
"""Transactions before the gateways open the room, at most."""
MAX_SETTLE_STEPS = 2000
ROOM = "general"
CHANGES, EARLY = 3, 6
"""Changed messages and early messages that a gateway remembers."""
KEPT = (2, 5, ALL_MESSAGES)
"""How many messages a client holds."""
EMOJI = ("👍", "🎉")


def gateway_memory(gateway: SteppedGateway) -> Iterator[tuple[int, frames.Message]]:
    """The messages in a gateway's memory, by offset."""
    recent = gateway.stream.recent
    for offset, frame in (*enumerate(recent.frames, recent.first), *gateway.stream.early.items()):
        yield offset, message_of(payload_of(frame))


@dataclass(slots=True)
class SteppedSchedule:
    """One schedule; everything follows from the seed."""

    seed: int
    rng: Random = field(init=False)
    history: StoredHistory = field(init=False)
    room: StoredRoom = field(init=False)
    gateways: list[SteppedGateway] = field(init=False)
    wires: list[list[bytes]] = field(init=False)
    """Payloads on their way to each gateway."""
    share: float = field(init=False)
    """Share of the steps that the first gateway gets."""
    clients: list[SteppedClient] = field(init=False)
    memories: list[dict[int, frames.Message]] = field(default_factory=lambda: [{}, {}])
    """What each gateway had in memory after the last step."""

    def __post_init__(self) -> None:
        self.rng = Random(self.seed)
        self.history = StoredHistory()
        self.room = self.history.add(ROOM)
        self.history.admit(self.room, 1, "ada")
        self.wires = []
        self.gateways = []
        for _ in range(2):
            self.wires.append([])  # it subscribes, then reads where the room is
            for _ in range(self.rng.randint(0, MAX_BEFORE)):
                self._commit()
            self.gateways.append(SteppedGateway(self.room, self.rng))
        self.share = self.rng.choice((0.5, 0.9))
        self.clients = [SteppedClient(ROOM, self.rng.choice(KEPT)) for _ in range(3)]

    @classmethod
    def judge(cls, seed: int) -> str | None:
        """Run the schedule of `seed`; returns what is wrong, None if nothing is."""
        with patch.object(room_changes, "KEPT_CHANGES", CHANGES), patch.object(room_stream, "EARLY_MESSAGES", EARLY):
            return cls(seed).run()

    def run(self) -> str | None:
        try:
            for number in range(STEPS):
                self._step()
                if number % 3 == 0:
                    self._judge_now()
            self._settle()
            self._judge()
        except BrokenError as problem:
            return str(problem)
        return None

    def _step(self) -> None:
        roll = self.rng.random()
        if roll < 0.30:
            self._commit()
        elif roll < 0.55:
            self._deliver()
        elif roll < 0.75:
            self.gateways[self._which()].step()
        elif roll < 0.92:
            self._act(self.rng.choice(self.clients))
        elif roll < 0.95:
            self.rng.choice(self.clients).disconnect()
        elif roll < 0.97:
            self.gateways[self._which()].on_heads()
        else:
            self._fill_socket(self.rng.choice(self.clients))

    def _which(self) -> int:
        """In half of the schedules, the second gateway lags behind."""
        return int(self.rng.random() > self.share)

    def _commit(self) -> None:
        """One transaction: some changes, or messages."""
        batch = history_api.AppendBatch([], changes=[])
        for _ in range(self.rng.choice((1, 1, 1, 2, 3))):
            if not self.room.head or self.rng.random() < 0.35:
                batch.messages.append(self._send())
            else:
                batch.changes.append(self._change())
        _, items = self.history.append(batch, self.room.rev)
        for _, payload in items:
            for wire in self.wires:
                wire.extend([payload] * self.rng.choices((0, 1, 2), (15, 75, 10))[0])

    def _send(self) -> history_api.Append:
        head = self.room.head
        reply_to = self.rng.randint(1, head) if head and self.rng.random() < 0.2 else 0
        return history_api.Append(1, 1, "ada", "as sent", "", reply_to)

    def _change(self) -> history_api.AnyMessageChange:
        offset = max(1, self.room.head - int(self.rng.expovariate(0.4)))
        where: dict[str, Any] = {"room_id": 1, "user_id": 1, "username": "ada", "offset": offset}
        match self.rng.choice(("edit", "edit", "react", "react", "pin", "delete")):
            case "edit":
                return history_api.MessageEdit(**where, content=f"edited after {self.room.rev}")
            case "react":
                remove = self.rng.random() < 0.3
                return history_api.MessageReaction(**where, emoji=self.rng.choice(EMOJI), remove=remove)
            case "pin":
                return history_api.MessagePin(**where, remove=self.rng.random() < 0.5)
            case _:
                return history_api.MessageDeletion(**where)

    def _deliver(self) -> None:
        which = self._which()
        wire = self.wires[which]
        if wire:
            late = self.rng.random() < 0.2
            self.gateways[which].on_payload(wire.pop(self.rng.randrange(len(wire)) if late else 0))

    def _act(self, client: SteppedClient) -> None:
        if client.gateway is None:
            client.connect(self.rng.choice(self.gateways))
        elif client.unread:
            client.read()
        elif self.rng.random() < 0.3:
            client.page_back()

    def _fill_socket(self, client: SteppedClient) -> None:
        if client.gateway is not None and client.connection is not None:
            client.gateway.fall_behind(client.connection)

    def _judge_now(self) -> None:
        """At any time, a message whose last change was told is held so. (One that changed again may come only then.)"""
        for number, client in enumerate(self.clients, 1):
            for offset, message in client.held.items():
                self._judge_message(f"client {number}", client.at[1], offset, message)
        for number, gateway in enumerate(self.gateways, 1):
            before, self.memories[number - 1] = self.memories[number - 1], dict(gateway_memory(gateway))
            for offset, message in self.memories[number - 1].items():
                self._judge_message(f"gateway {number}", gateway.changes.told, offset, message)
                if offset in before and message.rev < before[offset].rev:
                    raise BrokenError(f"gateway {number} has {offset} as of rev {message.rev}, and had a newer one")

    def _judge_message(self, who: str, told: int, offset: int, message: frames.Message) -> None:
        rev = self.room.messages[offset - 1].rev
        if message.rev < rev <= told:
            raise BrokenError(f"{who} was told rev {told}, but has {offset} as of rev {message.rev}, not {rev}")

    # The end

    def _settle(self) -> None:
        for client in self.clients:
            if client.gateway is None:
                client.connect(self.rng.choice(self.gateways))
        for _ in range(MAX_SETTLE_STEPS):
            for gateway, wire in zip(self.gateways, self.wires, strict=True):
                gateway.on_heads()
                while wire:
                    gateway.on_payload(wire.pop(0))
            is_busy = [gateway.step() for gateway in self.gateways]
            for gateway in self.gateways:
                gateway.flush()
            for client in self.clients:
                while client.unread:
                    client.read()
            if not any(is_busy) and self._is_settled():
                return
        raise BrokenError("does not come to rest")

    def _is_settled(self) -> bool:
        return all(client.connection is not None and client.connection.is_live for client in self.clients) and not any(
            gateway.stream.has_gap or gateway.changes.has_gap for gateway in self.gateways
        )

    def _judge(self) -> None:
        end = (self.room.head, self.room.rev)
        for number, client in enumerate(self.clients, 1):
            if client.at != end:
                raise BrokenError(f"client {number} is at {client.at}; the room ends at {end} (offset, rev)")
            for offset, message in client.held.items():
                if message != self.room.message(offset):
                    raise BrokenError(f"client {number} holds {message}; history has {self.room.message(offset)}")
        for number, gateway in enumerate(self.gateways, 1):
            recent = gateway.stream.recent
            for offset, frame in enumerate(recent.frames, recent.first):
                if payload_of(frame) != self.room.frame(offset):
                    raise BrokenError(
                        f"gateway {number} has {payload_of(frame)!r}; history {self.room.frame(offset)!r}"
                    )
