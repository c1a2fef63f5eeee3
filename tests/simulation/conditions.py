"""What one seed stands for: how large the world is, what goes wrong in it, and how badly.

Each kind of trouble is there in about half of all schedules (swarm testing: Groce et al., ISSTA 2012): a fault that
hides another must be absent somewhere, and what needs two at once finds them.
"""

from dataclasses import dataclass
from random import Random

Span = tuple[float, float]

ROOMS = ("general", "tea", "ops")
"""The first is for everybody; the others can be joined and left."""


def stream(seed: int, name: str) -> Random:
    """Chance for one part of the world alone: what another draws changes nothing here."""
    return Random(f"{seed} {name}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """Of one schedule. Likelihoods are of each occasion, times in seconds."""

    gateways: int
    readers: int
    people: int
    talk_s: float
    """How long there is talk and trouble."""
    pause_s: float
    """Between two things that a reader does."""
    recent_messages: int
    page_messages: int
    """Messages in what a gateway reads of history at once."""
    piece_bytes: int
    kernel_bytes: int
    unsent_bytes: int
    heads_s: float
    publish_s: Span
    lose: float
    double: float
    shuffle: float
    """How likely a payload comes late, after those behind it."""
    call_s: Span
    fail_before: float
    fail_after: float
    late: float
    """How likely an answer comes after its deadline."""
    read_s: Span
    """Between two reads of a socket by its peer."""
    faults_per_s: float
    faults: tuple[str, ...]
    """Names of what strikes (see `faults`)."""
    wanders: float
    """How likely a reader joins or leaves a room instead of talking."""
    cuts: float
    """How likely a reader loses its line instead of doing something."""
    pages: bool

    @classmethod
    def of(cls, seed: int, faults: tuple[str, ...]) -> "Conditions":
        """The conditions of a seed; some of `faults` are among them."""
        chance = stream(seed, "conditions")

        def maybe(likelihood: float) -> float:
            return likelihood if chance.random() < 0.5 else 0.0

        return cls(
            gateways=chance.choice((1, 2, 2, 3)),
            readers=chance.choice((3, 4, 6)),
            people=chance.choice((1, 2, 3)),
            talk_s=chance.uniform(2, 5),
            pause_s=chance.choice((0.05, 0.15, 0.3)),
            recent_messages=chance.choice((1, 3, 10, 50)),
            page_messages=chance.choice((1, 4, 200)),
            piece_bytes=chance.choice((300, 32_768)),
            kernel_bytes=chance.choice((700, 3_000, 100_000)),
            unsent_bytes=chance.choice((700, 3_000, 100_000)),
            heads_s=chance.choice((1.0, 5.0)),
            publish_s=chance.choice(((0.001, 0.003), (0.001, 0.05), (0.001, 0.5))),
            lose=maybe(0.15),
            double=maybe(0.15),
            shuffle=maybe(0.2),
            call_s=chance.choice(((0.001, 0.003), (0.001, 0.03), (0.001, 0.3))),
            fail_before=maybe(0.05),
            fail_after=maybe(0.05),
            late=maybe(0.01),
            read_s=chance.choice(((0.0001, 0.002), (0.0001, 0.02))),
            faults_per_s=chance.choice((0.0, 0.5, 1.5)),
            faults=tuple(fault for fault in faults if chance.random() < 0.5),
            wanders=0.15 if chance.random() < 0.6 else 0.0,
            cuts=maybe(0.1),
            pages=chance.random() < 0.5,
        )


def grid(chance: Random, span: Span) -> float:
    """Seconds of `span`, in whole milliseconds: so that things meet in one turn of the event loop."""
    return round(chance.uniform(*span), 3)
