"""Those who have gone are closed a few in each turn of the event loop, in order, none forgotten."""

import asyncio
import itertools

from services.gateway.departures import AT_ONCE, Departures


class Gone:
    def __init__(self, number: int, closed: list[int]) -> None:
        self._number = number
        self._closed = closed

    def depart(self) -> None:
        self._closed.append(self._number)


async def test_a_crowd_that_goes_at_once_is_closed_a_few_in_each_turn() -> None:
    departures, closed = Departures(), list[int]()
    for number in range(100):
        departures.add(Gone(number, closed))
    turns = [len(closed)]
    while len(closed) < 100:
        await asyncio.sleep(0)
        turns.append(len(closed))
    assert closed == list(range(100))
    assert max(after - before for before, after in itertools.pairwise(turns)) <= AT_ONCE


async def test_who_goes_meanwhile_has_their_turn_and_so_has_one_who_goes_later() -> None:
    departures, closed = Departures(), list[int]()
    departures.add(Gone(1, closed))
    departures.add(Gone(2, closed))
    await asyncio.sleep(0)
    departures.add(Gone(3, closed))
    await asyncio.sleep(0)
    assert closed == [1, 2, 3]
