"""Checks presence: who is or was just connected is not shown offline; in the end, all is shown as it is. Pure.

A gateway may hear late that a user has come, so that counts only after a while. What a connection is told that is
`unknown` is never wrong before the end.
"""

from collections import defaultdict
from collections.abc import Iterator
from math import inf
from typing import NamedTuple

from tests.chaos.operations import Came, Present, Shown, Went
from tests.chaos.record import Run
from tests.chaos.verdict import Fault, Invariant, Limits, Violation

TELLING_S = 1.5
"""What is told may be this old: changes are gathered, and told at most once a second."""


class _Stay(NamedTuple):
    """A connection of a user, from its welcome to its end."""

    connection: str
    came_s: float
    went_s: float


def presence_is_true(run: Run, limits: Limits) -> Iterator[Violation]:
    went_s = {went.connection: went.at_s for went in run.of(Went)}
    stays: dict[str, list[_Stay]] = defaultdict(list)
    for came in run.of(Came):
        stays[came.username].append(_Stay(came.connection, came.at_s, went_s.get(came.connection, inf)))
    for shown in run.of(Shown):
        if shown.state == "offline":
            yield from _offline(shown, stays[shown.username], limits)
    yield from _in_the_end(run, went_s)


def _offline(shown: Shown, stays: list[_Stay], limits: Limits) -> Iterator[Violation]:
    latest_s = shown.at_s - limits.presence_grace_s + TELLING_S
    for stay in stays:
        if stay.came_s < shown.at_s - limits.presence_late_s and stay.went_s > min(latest_s, shown.at_s - TELLING_S):
            ended = "is open" if stay.went_s > shown.at_s else f"ended {shown.at_s - stay.went_s:.1f} s before"
            sentence = f"{shown.connection} was told that {shown.username} is offline, whose {stay.connection} {ended}."
            yield Violation(Invariant.PRESENCE_IS_TRUE, sentence, Fault.UNEXPLAINED)
            return


def _in_the_end(run: Run, went_s: dict[str, float]) -> Iterator[Violation]:
    truth = {present.username: present for present in run.of(Present)}
    if not truth:
        return
    end_s = max(present.at_s for present in truth.values())
    told = {(shown.connection, shown.username): shown.state for shown in run.of(Shown) if shown.at_s <= end_s}
    for (connection, username), state in told.items():
        if went_s.get(connection, inf) > end_s and username in truth and state != truth[username].state:
            sentence = f"{connection} shows {username} as {state} in the end, who is {truth[username].state}."
            yield Violation(Invariant.PRESENCE_IS_TRUE, sentence, Fault.UNEXPLAINED)
