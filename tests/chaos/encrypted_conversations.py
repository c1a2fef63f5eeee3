"""Checks encrypted conversations: who can read, what it says, to-device messages, ratchets, words in clear. Pure.

A device must read a message if it was listed before the message was stored. That moment is not seen; but it is not
before the bytes that are stored were first sent, nor before those of any message with a lower offset. A restored
backup may lack a list that was stored since, and the keys of what was stored before; its devices are listed anew when
they connect again.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from math import inf
from typing import NamedTuple

import vodozemac

from chatterbox.wire.encryption import envelope
from chatterbox.wire.encryption.envelope import from_base64url
from tests.chaos.operations import (
    Decrypted,
    DeviceListed,
    EncryptedAcked,
    EncryptedSent,
    Restored,
    ToDeviceQueued,
    ToDeviceTaken,
    Traced,
)
from tests.chaos.original_texts import Place
from tests.chaos.record import Run
from tests.chaos.verdict import Fault, Invariant, Limits, Violation
from tests.support.traceable_words import word_in

MOST_ENVELOPE_BYTES = 10**6


class StoredEnvelope(NamedTuple):
    """An encrypted message as the devices found it after the run."""

    room: str
    offset: int
    envelope: str
    key: str
    """Empty if nobody sent it."""
    text: str
    stored_after_s: float
    """It was not stored before this: it, or one before it, was first sent then."""


def encrypted_conversations_hold(run: Run, _: Limits) -> Iterator[Violation]:
    final = [each for each in run.of(Decrypted) if each.final]
    stored = list(_stored(run, final))
    yield from _recipients_read(run, final, stored)
    yield from _says_what_was_typed(run, final, stored)
    yield from _to_device_in_order(run)
    yield from _indexes_used_once(run)
    yield from _no_word_in_clear(run)


def _stored(run: Run, final: Iterable[Decrypted]) -> Iterator[StoredEnvelope]:
    """In order, by room."""
    sent: dict[str, EncryptedSent] = {}
    for each in run.of(EncryptedSent):
        sent.setdefault(each.envelope, each)
    found = {(each.room, each.offset): each for each in final}
    rooms: dict[str, float] = defaultdict(lambda: -inf)
    for (room, offset), seen in sorted(found.items()):
        first = sent.get(seen.envelope)
        if first is not None:
            rooms[room] = max(rooms[room], first.at_s)
        key, text = ("", "") if first is None else (first.key, first.text)
        yield StoredEnvelope(room, offset, seen.envelope, key, text, rooms[room])


def _recipients_read(run: Run, final: Iterable[Decrypted], stored: Iterable[StoredEnvelope]) -> Iterator[Violation]:
    shown = {(each.device, each.room, each.offset): each for each in final}
    restored_s = max(run.restores, default=-inf)
    listed_s: dict[tuple[str, str], float] = {}
    for each in run.of(DeviceListed):
        if not _is_undone(run, each.at_s):
            listed_s.setdefault((each.device, each.room), each.at_s)
    acked = {each.key for each in run.of(EncryptedAcked)}
    unreadable: dict[tuple[str, str], list[Decrypted | StoredEnvelope]] = defaultdict(list)
    for message in stored:
        if message.stored_after_s <= restored_s or not message.key:
            continue
        for (device, room), since_s in listed_s.items():
            if room != message.room or since_s >= message.stored_after_s:
                continue
            read = shown.get((device, room, message.offset))
            if read is None or read.unreadable:
                unreadable[device, room].append(read or message)
    for (device, room), messages in unreadable.items():
        why = sorted({each.unreadable if isinstance(each, Decrypted) else "not shown" for each in messages})
        offsets = ", ".join(str(each.offset) for each in messages[:5])
        sentence = f"{device} can't read {len(messages)} messages of {room} ({offsets} …): {', '.join(why)}."
        yield Violation(Invariant.RECIPIENTS_READ, sentence, Fault.LOST)
    never = {each.key for each in run.of(EncryptedSent)} - acked
    if never and final:
        sentence = f"{len(never)} encrypted messages were never acked, {min(never)} among them."
        yield Violation(Invariant.RECIPIENTS_READ, sentence, Fault.LOST)


def _is_undone(run: Run, listed_s: float) -> bool:
    """Whether a backup was restored that may lack what was stored then."""
    return any(
        restored.at_s >= listed_s and (restored.copied_s is None or restored.copied_s <= listed_s)
        for restored in run.of(Restored)
    )


def _says_what_was_typed(run: Run, final: Iterable[Decrypted], stored: Iterable[StoredEnvelope]) -> Iterator[Violation]:
    typed: dict[str, str] = {each.envelope: each.text for each in run.of(EncryptedSent)}
    envelopes: dict[Place, str] = {}
    for each in run.of(Decrypted):
        place = each.room, each.epoch, each.offset
        where = f"{each.room} {each.epoch}/{each.offset}"
        if envelopes.setdefault(place, each.envelope) != each.envelope:
            yield Violation(Invariant.SAYS_WHAT_WAS_TYPED, f"{where} is two messages.", Fault.UNEXPLAINED)
        if each.envelope not in typed:
            yield Violation(Invariant.SAYS_WHAT_WAS_TYPED, f"Nobody sent {where}.", Fault.UNEXPLAINED)
        elif not each.unreadable and each.text != typed[each.envelope]:
            sentence = f"{where} does not say to {each.device} what was typed."
            yield Violation(Invariant.SAYS_WHAT_WAS_TYPED, sentence, Fault.UNEXPLAINED)
        elif each.irregularity and not run.restores:
            sentence = f"{each.device} is told that {where} is {each.irregularity}."
            yield Violation(Invariant.SAYS_WHAT_WAS_TYPED, sentence, Fault.UNEXPLAINED)
    keys: dict[tuple[str, str], int] = {}
    for message in stored:
        before = keys.setdefault((message.room, message.key), message.offset)
        if message.key and before != message.offset:
            sentence = f"{message.key} is stored twice in {message.room}, at {before} and {message.offset}."
            yield Violation(Invariant.SAYS_WHAT_WAS_TYPED, sentence, Fault.DOUBLED)
    places = {(message.room, message.key): message.offset for message in stored}
    final_epochs = {each.room: each.epoch for each in final}
    for ack in run.of(EncryptedAcked):
        found = places.get((ack.room, ack.key))
        if not final_epochs or (run.restores and ack.at_s <= max(run.restores)):
            continue
        if found != ack.offset:
            sentence = f"{ack.key} was acked at {ack.room} {ack.epoch}/{ack.offset}, and is at {found or 'no place'}."
            yield Violation(Invariant.SAYS_WHAT_WAS_TYPED, sentence, Fault.LOST)


def _to_device_in_order(run: Run) -> Iterator[Violation]:
    """What was sent before a backup was restored may be lost with it, or refused by its new beginning."""
    restored_s = max(run.restores, default=-inf)
    taken: dict[tuple[str, str], list[int]] = defaultdict(list)
    for each in run.of(ToDeviceTaken):
        taken[each.sender, each.device].append(each.number)
    queued: dict[tuple[str, str], list[int]] = defaultdict(list)
    for one in run.of(ToDeviceQueued):
        if one.at_s > restored_s:
            queued[one.device, one.to].append(one.number)
    for (sender, device), numbers in taken.items():
        if numbers != sorted(set(numbers)):
            fault = Fault.REORDERED if len(numbers) == len(set(numbers)) else Fault.DOUBLED
            sentence = f"{device} worked off messages of {sender} {fault}."
            yield Violation(Invariant.TO_DEVICE_IN_ORDER, sentence, fault)
    for (sender, device), sent in queued.items():
        if missing := sorted(set(sent) - set(taken[sender, device])):
            sentence = f"{device} misses {len(missing)} of {len(sent)} messages of {sender}, the first is {missing[0]}."
            yield Violation(Invariant.TO_DEVICE_IN_ORDER, sentence, Fault.LOST)


def _indexes_used_once(run: Run) -> Iterator[Violation]:
    bodies: dict[tuple[str, int], str] = {}
    told: set[str] = set()
    for each in run.of(EncryptedSent):
        sent = envelope.parse(each.envelope, MOST_ENVELOPE_BYTES)
        index = vodozemac.MegolmMessage.from_bytes(from_base64url(sent.body)).message_index()
        if bodies.setdefault((sent.session, index), sent.body) != sent.body and sent.session not in told:
            told.add(sent.session)
            sentence = f"{each.device} encrypted two texts with index {index} of session {sent.session}."
            yield Violation(Invariant.INDEX_USED_ONCE, sentence)


def _no_word_in_clear(run: Run) -> Iterator[Violation]:
    encrypted = {word_in(each.text) for each in run.of(EncryptedSent)}
    places: dict[tuple[str, str], set[str]] = defaultdict(set)
    for traced in run.of(Traced):
        if traced.word in encrypted:
            places[traced.kind, traced.place].add(traced.word)
    for (kind, place), words in places.items():
        sentence = f"{place} ({kind}) has the words of {len(words)} encrypted texts."
        yield Violation(Invariant.NO_WORD_IN_CLEAR, sentence, Fault.UNEXPLAINED)
