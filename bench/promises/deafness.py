"""A gateway never goes deaf: how soon it notices, and how soon all that it did not hear has been delivered."""

from pathlib import Path

from bench.promises.bars import Bar, Judged, Line, Part
from tests.integration.processes.test_deaf_gateway import DELIVERED_S, NOTICED_S, WAYS, deafen, site


async def measure(folder: Path, tries: int) -> tuple[Part, list[str]]:
    """Deafen a gateway so many times in each way; returns the figures and the tries that failed."""
    noticed: list[float] = []
    delivered: list[float] = []
    troubles: list[str] = []
    async with site(folder) as here:
        for number in range(tries):
            print(f"deafened: {number * len(WAYS)} of {tries * len(WAYS)} times", flush=True)
            for way in WAYS:
                try:
                    noticed_s, delivered_s = await deafen(here, f"{way.__name__.replace('_', '-')}-{number}", way)
                except (AssertionError, TimeoutError) as problem:
                    noticed_s = delivered_s = float("inf")
                    troubles.append(f"deafened, {way.__name__}: {type(problem).__name__} {problem}")
                    here.cable.mend()
                    await here.listening.until_ready()
                noticed.append(noticed_s)
                delivered.append(delivered_s)
    lines = [
        Line(Bar("a deafened gateway has noticed after", "s", Judged.MOST, NOTICED_S), noticed),
        Line(Bar("everything said meanwhile has been delivered after", "s", Judged.MOST, DELIVERED_S), delivered),
    ]
    return Part("A deafened gateway", _MADE.format(ways=len(WAYS)), lines), troubles


_MADE = (
    "Two gateways: one hears Redis through a cable that is damaged in {ways} ways, as often in each, while people talk "
    "through the other. Heads are compared every ten minutes, so they bring nothing. n counts deafenings."
)
