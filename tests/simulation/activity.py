"""Random actions of a reader during a schedule: send, read pages, mark as read, join and leave, lose the connection."""

import asyncio
from random import Random

from tests.simulation.conditions import ROOMS, Conditions
from tests.simulation.reader import Reader

CHANGES = ("edit", "edit", "react", "react", "unreact", "delete", "pin", "unpin", "reply")


class ReaderActivity:
    """Random actions of one reader."""

    def __init__(self, reader: Reader, conditions: Conditions, rng: Random) -> None:
        self._reader = reader
        self._conditions = conditions
        self._rng = rng

    async def run(self) -> None:
        """Act until cancelled."""
        while True:
            await asyncio.sleep(self._rng.expovariate(1 / self._conditions.pause_s))
            self._reader.check_timeout()
            self._act()

    async def read(self) -> None:
        """Mark rooms as read and unread until cancelled."""
        while self._conditions.reads:
            await asyncio.sleep(self._rng.expovariate(self._conditions.reads / self._conditions.pause_s))
            rooms = sorted(self._reader.rooms)
            if rooms:
                self.mark(self._rng.choice(rooms), unread=self._rng.random() < 0.25)
        await asyncio.Event().wait()

    def mark(self, room: str, *, unread: bool) -> None:
        """Mark any message of a room as the last one that is read."""
        offset = self._rng.randint(0, self._reader.progress[room].complete)
        (self._reader.mark_unread if unread else self._reader.mark_read)(room, offset)

    def _act(self) -> None:
        rng, conditions, reader = self._rng, self._conditions, self._reader
        if rng.random() < conditions.cuts:
            reader.cut()
        elif conditions.wanders and rng.random() < conditions.wanders:
            self._join_or_leave()
        elif conditions.pages and rng.random() < 0.1:
            self._read_page()
        elif reader.rooms:
            room = rng.choice(sorted(reader.rooms))
            if rng.random() < conditions.changes:
                self._change(room)
            else:
                reader.send(room, rng.choice((0, 0, 10, 200)))

    def _change(self, room: str) -> None:
        """Mostly a recent message: changes of one message meet, and few are left unchanged."""
        rng, reader = self._rng, self._reader
        held = sorted(reader.progress[room].held)
        if held:
            offset = held[-1 - min(len(held) - 1, int(rng.expovariate(0.4)))]
            reader.change(
                room,
                offset,
                rng.choice(("edit", "edit", "react", "react", "unreact", "delete", "pin", "unpin", "reply")),
            )

    def _join_or_leave(self) -> None:
        room = self._rng.choice(ROOMS[1:])
        if room in self._reader.rooms:
            self._reader.leave(room)
        else:
            self._reader.join(room)

    def _read_page(self) -> None:
        reader = self._reader
        if reader.rooms:
            room = self._rng.choice(sorted(reader.rooms))
            offset = self._rng.randint(1, reader.progress[room].complete + 1)
            which = self._rng.choice(("after", "before", "before", "around", "thread", "pinned"))
            reader.read(room, **{which: True if which == "pinned" else offset})
