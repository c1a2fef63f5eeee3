"""Line output of a face: where messages and notices are printed, and its clock."""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from time import monotonic

from chatterbox.wire.frames import Message
from client.faces.line_timeline import LineTimeline


@dataclass(frozen=True, slots=True)
class LineOutput:
    """Prints messages with `print_message` and notices with `print_notice`, both laid out by `timeline`."""

    timeline: LineTimeline
    print_message: Callable[[str], None]
    print_notice: Callable[[str], None]
    echoed: bool = False
    """Whether the terminal already shows what is typed."""

    def message(self, message: Message, original: Message | None = None) -> None:
        """Print a message; `original`: what it answers, if that is held."""
        self._print(self.print_message, self.timeline.message(message, original))

    def notice(self, text: str) -> None:
        """Print a notice of the client; `text` is inert."""
        self._print(self.print_notice, self.timeline.notice(text))

    @staticmethod
    def _print(print_line: Callable[[str], None], lines: Iterable[str]) -> None:
        for line in lines:
            print_line(line)


def _call_later(after_s: float, call: Callable[[], None]) -> object:
    return asyncio.get_running_loop().call_later(after_s, call)


@dataclass(frozen=True, slots=True)
class LoopClock:
    """A monotonic clock in seconds, and a timer on the event loop."""

    now_s: Callable[[], float] = monotonic
    later: Callable[[float, Callable[[], None]], object] = _call_later
