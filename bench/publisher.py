"""`python -m bench.publisher REDIS_URL ROOM ID EPOCH HEAD RATE`: publishes messages as history does, without history.

It publishes the payloads that history's announcer would publish after commits, so that the gateway can be measured on
its own. Nothing is stored; the gateway accepts the messages as long as their offsets are consecutive. Messages are due
at the multiples of the interval on the machine's monotonic clock, as the load generator's `--heard` expects. It runs
until it is terminated.
"""

import asyncio
import sys
import time
from typing import NamedTuple

from chatterbox.chassis.redis.redis_broker import RedisBroker
from services.history.core.append_plan import AppendPlan, MessageRow, RoomTail
from services.history.messages.commit_publisher import CommittedChanges, payloads

PAUSE_S = 0.002
"""Polling interval for due messages (seconds): about as long as a commit of history, which batches likewise."""
TIMESTAMP = "2026-01-01T00:00:00.000Z"


class Place(NamedTuple):
    """The target of the messages: a room, and the offset of its last message."""

    room: str
    room_id: int
    epoch: str
    head: int


def content(due_ns: int) -> str:
    """The load generator's marker (`wsload.c`) only: a send of 120 bytes has no space for more."""
    return f"@T={due_ns:019d},{0:05d};"


def news(place: Place, due_ns: range) -> CommittedChanges:
    """The announcement of a commit of the messages due at these times, following the room's head. Pure."""
    inserts = [
        MessageRow(place.head + number, place.room_id, place.head + number, 1, "member-0", content(each), 0, None)
        for number, each in enumerate(due_ns, 1)
    ]
    end = RoomTail(place.room, place.epoch, place.head + len(due_ns), 0)
    return CommittedChanges([], AppendPlan(inserts, {place.room_id: end}, [], {0: TIMESTAMP}))


async def publish(url: str, place: Place, rate: float) -> None:
    """Publish all due messages at each poll, until cancelled."""
    broker = RedisBroker(url)
    interval_ns = int(1e9 / rate)
    await broker.publish(payloads(news(place, range(0))))
    print("publishing", flush=True)
    next_ns = -(-time.monotonic_ns() // interval_ns) * interval_ns
    while True:
        due_ns = range(next_ns, time.monotonic_ns() + 1, interval_ns)
        if due_ns:
            await broker.publish(payloads(news(place, due_ns)))
            next_ns = due_ns[-1] + interval_ns
            place = place._replace(head=place.head + len(due_ns))
        await asyncio.sleep(PAUSE_S)


def main() -> None:
    url, room, room_id, epoch, head, rate = sys.argv[1:]
    asyncio.run(publish(url, Place(room, int(room_id), epoch, int(head)), float(rate)))


if __name__ == "__main__":
    main()
