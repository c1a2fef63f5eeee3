"""Checks that erased texts are gone: from files and memory, from what is received, and from restored backups. Pure.

A restored backup brings back texts that were edited away since, but none that was deleted. A text counts as erased only
if it was not sent again afterwards: a message that a restored backup lacks may be.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator

from tests.chaos.operations import ChangeAcked, ChangeInvoked, Invoked, Traced
from tests.chaos.record import Run
from tests.chaos.verdict import Fault, Invariant, Limits, Violation
from tests.support.traceable_words import word_in

LEAST_IN_MEMORY = 4
"""With fewer erased texts, or fewer that remain, nothing is said of shares."""


class ErasedTexts:
    """When each text was erased, by its word."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._erased_s: dict[str, float] = {}
        self._edited: set[str] = set()
        acks_s = {(ack.connection, ack.number): ack.at_s for ack in run.of(ChangeAcked)}
        for change in run.of(ChangeInvoked):
            acked_s = acks_s.get((change.connection, change.number))
            if not change.erases or acked_s is None:
                continue
            self._erased_s[change.erases] = min(acked_s, self._erased_s.get(change.erases, acked_s))
            if change.did == "edit":
                self._edited.add(change.erases)
        for sent in run.of(Invoked):
            if (word := word_in(sent.content)) and sent.at_s >= self._erased_s.get(word, sent.at_s + 1):
                del self._erased_s[word]

    def age_s(self, word: str, at_s: float) -> float:
        """How long the text had been erased by then; negative if it was not, or may be back since a restore."""
        erased_s = self._erased_s.get(word)
        if erased_s is None or (word in self._edited and self._run.restored_between(erased_s, at_s)):
            return -1
        return at_s - erased_s

    def count(self, at_s: float, least_s: float) -> int:
        """How many texts had been erased for longer than that."""
        return sum(self.age_s(word, at_s) > least_s for word in self._erased_s)


def erased_is_gone(run: Run, limits: Limits) -> Iterator[Violation]:
    texts = ErasedTexts(run)
    yield from _received(run, texts, limits)
    yield from _found(run, texts, limits)
    yield from _remembered(run, texts, limits)


def _received(run: Run, texts: ErasedTexts, limits: Limits) -> Iterator[Violation]:
    """While a fault lasts, a gateway may not have heard of it; once all are over, that is limited as everything is."""
    for seen in run.delivered_as_is:
        age_s = texts.age_s(word_in(seen.content), seen.at_s)
        since_healed_s = seen.at_s - run.healed_s
        most_s = limits.erased_frames_s if age_s < since_healed_s else limits.on_time_s
        if min(age_s, since_healed_s) > most_s:
            sentence = (
                f"{seen.connection} received {seen.room} {seen.epoch}/{seen.offset} {age_s:.1f} s after it was erased."
            )
            yield Violation(Invariant.ERASED_IS_GONE, sentence, Fault.UNEXPLAINED)


def _found(run: Run, texts: ErasedTexts, limits: Limits) -> Iterator[Violation]:
    """In a file or an object when the time is up, or in a page at any time after a restore; each place is told once."""
    words: dict[tuple[str, str], list[float]] = defaultdict(list)
    for traced in run.of(Traced):
        least_s = {"file": limits.erased_s, "object": limits.erased_s, "page": 0}.get(traced.kind)
        if least_s is not None and (age_s := texts.age_s(traced.word, traced.at_s)) > least_s:
            words[traced.kind, traced.place].append(age_s)
    for (kind, place), ages_s in words.items():
        where = f"An object of {place}" if kind == "object" else place
        sentence = f"{where} has {len(ages_s)} erased texts, the oldest {max(ages_s):.0f} s after it was erased."
        yield Violation(Invariant.ERASED_IS_GONE, sentence, Fault.UNEXPLAINED)


def _remembered(run: Run, texts: ErasedTexts, limits: Limits) -> Iterator[Violation]:
    found: Counter[tuple[str, float]] = Counter()
    for traced in run.of(Traced):
        if traced.kind == "memory" and texts.age_s(traced.word, traced.at_s) > limits.erased_s:
            found[traced.place, traced.at_s] += 1
    for (place, at_s), remaining in found.items():
        erased = texts.count(at_s, limits.erased_s)
        if remaining >= LEAST_IN_MEMORY and remaining > limits.erased_in_memory * erased:
            sentence = f"The memory of {place} has {remaining} of {erased} erased texts."
            yield Violation(Invariant.ERASED_IS_GONE, sentence, Fault.UNEXPLAINED)
