"""What a face in lines stands on: where it writes, and how it waits."""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from time import monotonic

from chatterbox.wire.frames import Message
from client.faces.line_timeline import LineTimeline


@dataclass(frozen=True, slots=True)
class LineOutput:
    """Where lines are added: `out` prints what was said, `tell` the rest, both as `timeline` lays them out."""

    timeline: LineTimeline
    out: Callable[[str], None]
    tell: Callable[[str], None]
    echoed: bool = False
    """Whether what is typed stands here already, because the terminal shows it."""

    def message(self, message: Message) -> None:
        self._print(self.out, self.timeline.message(message))

    def notice(self, text: str) -> None:
        """Print a word of the client's own; `text` is inert."""
        self._print(self.tell, self.timeline.notice(text))

    @staticmethod
    def _print(to: Callable[[str], None], lines: Iterable[str]) -> None:
        for line in lines:
            to(line)


def _on_the_loop(after_s: float, do: Callable[[], None]) -> object:
    return asyncio.get_running_loop().call_later(after_s, do)


@dataclass(frozen=True, slots=True)
class LoopClock:
    """Seconds that go on, and a way to do something after some of them."""

    now_s: Callable[[], float] = monotonic
    later: Callable[[float, Callable[[], None]], object] = _on_the_loop
