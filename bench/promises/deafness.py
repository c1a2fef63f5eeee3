"""Promise "a gateway never goes deaf": time to detection, and time until the missed messages are delivered."""

from pathlib import Path

from bench.promises.bars import Bar, Judged, Line, Part
from tests.integration.processes.test_deaf_gateway import DELIVERED_S, NOTICED_S, WAYS, deafen, site


async def measure(folder: Path, tries: int) -> tuple[Part, list[str]]:
    """Deafen a gateway `tries` times in each way; returns the figures and the failed tries."""
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
        Line(Bar("a deaf gateway is detected after", "s", Judged.MOST, NOTICED_S), noticed),
        Line(Bar("messages sent in the meantime are delivered after", "s", Judged.MOST, DELIVERED_S), delivered),
    ]
    return Part("Deaf gateway", _MADE.format(ways=len(WAYS)), lines), troubles


_MADE = (
    "Two gateways: one is connected to Redis through a proxy that breaks the connection in {ways} ways, each equally "
    "often, while users talk through the other. Heads are compared every ten minutes, so they don't help. n counts "
    "broken connections."
)
