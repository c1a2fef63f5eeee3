"""The parameters of one schedule, drawn from its seed: the size of the world, and which failures occur how often.

Each kind of failure occurs in about half of all schedules (swarm testing: Groce et al., ISSTA 2012): a fault that hides
another is absent from some schedules, and faults that need each other meet in others.
"""

from dataclasses import dataclass
from random import Random

Span = tuple[float, float]

ROOMS = ("general", "tea", "ops")
"""Everyone is a member of the first; the others can be joined and left."""


def stream(seed: int, name: str) -> Random:
    """Random numbers for one part of the world: draws by other parts do not affect them."""
    return Random(f"{seed} {name}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """Parameters of one schedule. Probabilities are per occasion, times in seconds."""

    gateways: int
    readers: int
    people: int
    talk_s: float
    """Duration of activity and failures."""
    pause_s: float
    """Mean time between two actions of a reader."""
    recent_messages: int
    page_messages: int
    """Messages, or changed ones, per page that a gateway reads from history."""
    chunk_bytes: int
    kernel_bytes: int
    unsent_bytes: int
    heads_interval_s: float
    publish_s: Span
    lose: float
    double: float
    shuffle: float
    """Probability that a payload arrives after later ones."""
    call_s: Span
    fail_before: float
    fail_after: float
    late: float
    """Probability that a response arrives after its deadline."""
    read_s: Span
    """Time between two reads of a socket by its peer."""
    faults_per_s: float
    faults: tuple[str, ...]
    """Names of the faults that occur (see `faults`)."""
    wanders: float
    """Probability that a reader joins or leaves a room instead of sending."""
    cuts: float
    """Probability that a reader loses its connection instead of acting."""
    pages: bool
    changes: float
    """Probability that a reader changes a message or answers one, instead of sending a new one."""
    last_words: bool
    """Whether every reader sends a message once the failures have ended, which proves what was lost before."""
    recent_changes: int
    """Changes that a gateway remembers for a room."""
    reads: float
    """How many times as often as anything else a reader marks a room as read or unread."""
    last_reads: bool
    """Whether, in the end, each user reports a position; otherwise all devices connect again."""

    @classmethod
    def of(cls, seed: int, faults: tuple[str, ...]) -> "Conditions":
        """Draw the conditions of a seed, including some of `faults`."""
        rng = stream(seed, "conditions")

        def maybe(probability: float) -> float:
            return probability if rng.random() < 0.5 else 0.0

        return cls(
            gateways=rng.choice((1, 2, 2, 3)),
            readers=rng.choice((3, 4, 6)),
            people=rng.choice((1, 2, 3)),
            talk_s=rng.uniform(2, 5),
            pause_s=rng.choice((0.05, 0.15, 0.3)),
            recent_messages=rng.choice((1, 3, 10, 50)),
            page_messages=rng.choice((1, 4, 200)),
            chunk_bytes=rng.choice((300, 32_768)),
            kernel_bytes=rng.choice((700, 3_000, 100_000)),
            unsent_bytes=rng.choice((700, 3_000, 100_000)),
            heads_interval_s=rng.choice((1.0, 5.0)),
            publish_s=rng.choice(((0.001, 0.003), (0.001, 0.05), (0.001, 0.5))),
            lose=maybe(0.15),
            double=maybe(0.15),
            shuffle=maybe(0.2),
            call_s=rng.choice(((0.001, 0.003), (0.001, 0.03), (0.001, 0.3))),
            fail_before=maybe(0.05),
            fail_after=maybe(0.05),
            late=maybe(0.01),
            read_s=rng.choice(((0.0001, 0.002), (0.0001, 0.02))),
            faults_per_s=rng.choice((0.0, 0.5, 1.5)),
            faults=tuple(fault for fault in faults if rng.random() < 0.5),
            wanders=0.15 if rng.random() < 0.6 else 0.0,
            cuts=maybe(0.1),
            pages=rng.random() < 0.5,
            changes=rng.choice((0.0, 0.5, 0.8, 0.8)),
            last_words=rng.random() < 0.5,
            recent_changes=rng.choice((1, 3, 10, 200)),
            reads=rng.choice((0.0, 0.3, 1.0)),
            last_reads=rng.random() < 0.5,
        )


def grid(rng: Random, span: Span) -> float:
    """Random seconds within `span`, in whole milliseconds, so that events coincide in one event-loop turn."""
    return round(rng.uniform(*span), 3)
