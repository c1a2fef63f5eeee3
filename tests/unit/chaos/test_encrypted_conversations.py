"""The checker finds what is wrong with encrypted conversations, and nothing in a clean run."""

from collections.abc import Callable
from itertools import count

import pytest
import vodozemac
from msgspec.structs import replace

from chatterbox.wire.encryption.envelope import Envelope, to_base64url
from tests.chaos.checker import judge
from tests.chaos.operations import (
    AnyOperation,
    Decrypted,
    DeviceListed,
    EncryptedAcked,
    EncryptedSent,
    Restored,
    ToDeviceQueued,
    ToDeviceTaken,
    Traced,
)
from tests.chaos.verdict import Invariant
from tests.support.traceable_words import new_word, word_in

History = list[AnyOperation]
ROOM = "@ada+bob"
ADA, BOB, LATE = "ada/AAAAAAAAAA", "bob/BBBBBBBBBB", "bob/CCCCCCCCCC"
LISTED_S = 50.5
"""When bob's late device was listed: after the fifth message was sent."""


class Ratchet:
    """A Megolm session, whose messages the checker can parse."""

    def __init__(self, device: str) -> None:
        self._device = device.split("/")[1]
        self._session = vodozemac.GroupSession()

    def encrypt(self, text: str) -> str:
        body = to_base64url(self._session.encrypt(text.encode()).to_bytes())
        session = to_base64url(bytes.fromhex("00" * 32))
        return str(Envelope(self._device, session, body))


def clean() -> History:
    """Ada's device writes ten texts; each device sends ada's one three numbered messages."""
    ratchet = Ratchet(ADA)
    history: History = [DeviceListed(at_s=0, device=each, room=ROOM) for each in (ADA, BOB)]
    history.append(DeviceListed(at_s=LISTED_S, device=LATE, room=ROOM))
    for offset in range(1, 11):
        sent = EncryptedSent(
            at_s=10 * offset, device=ADA, room=ROOM, key=f"key-{offset}", text=f"{new_word()} hello",
            envelope=ratchet.encrypt(f"{offset}"),
        )  # fmt: skip
        acked = EncryptedAcked(at_s=sent.at_s + 1, device=ADA, room=ROOM, key=sent.key, epoch="e", offset=offset)
        history += [sent, acked]
        for device in (ADA, BOB, LATE):
            is_before = device == LATE and sent.at_s < LISTED_S
            read = Decrypted(
                at_s=200, device=device, room=ROOM, epoch="e", offset=offset, envelope=sent.envelope,
                text="" if is_before else sent.text, unreadable="before_device" if is_before else "", final=True,
            )  # fmt: skip
            history.append(read)
    for number in range(1, 4):
        history.append(ToDeviceQueued(at_s=20 + number, device=BOB, to=ADA, number=number))
        history.append(ToDeviceTaken(at_s=210, device=ADA, sender=BOB, number=number))
    return history


def broken(history: History) -> set[Invariant]:
    return judge(history).broken


def changed(history: History, kind: type, change: Callable[[AnyOperation], AnyOperation], which: int = -1) -> History:
    """The same with one operation of a kind changed."""
    chosen = [each for each in history if isinstance(each, kind)][which]
    return [change(each) if each is chosen else each for each in history]


def without(history: History, kind: type, which: int = -1) -> History:
    chosen = [each for each in history if isinstance(each, kind)][which]
    return [each for each in history if each is not chosen]


class TestRecipientsRead:
    def test_clean_run_has_no_violation(self) -> None:
        assert judge(clean()).violations == []

    def test_device_that_can_not_read_is_found(self) -> None:
        history = changed(clean(), Decrypted, lambda each: replace(each, text="", unreadable="lost"))
        assert broken(history) == {Invariant.RECIPIENTS_READ}

    def test_device_that_is_not_shown_a_message_is_found(self) -> None:
        assert broken(without(clean(), Decrypted)) == {Invariant.RECIPIENTS_READ}

    def test_device_need_not_read_what_was_stored_before_it_was_listed(self) -> None:
        history = changed(clean(), DeviceListed, lambda each: replace(each, at_s=1000))
        last = changed(history, Decrypted, lambda each: replace(each, text="", unreadable="lost"))
        assert broken(last) == set()

    def test_device_must_read_what_stands_behind_a_message_sent_after_it_was_listed(self) -> None:
        history = changed(clean(), EncryptedSent, lambda each: replace(each, at_s=LISTED_S - 1))
        last = changed(history, Decrypted, lambda each: replace(each, text="", unreadable="lost"))
        assert broken(last) == {Invariant.RECIPIENTS_READ}

    def test_message_that_was_never_acked_is_found(self) -> None:
        assert broken(without(clean(), EncryptedAcked)) == {Invariant.RECIPIENTS_READ}

    def test_device_that_a_restored_backup_does_not_list_need_not_read(self) -> None:
        history = [*clean(), Restored(at_s=85, copied_s=40)]
        lost = changed(history, Decrypted, lambda each: replace(each, text="", unreadable="lost"))
        assert broken(lost) == set()


class TestSaysWhatWasTyped:
    def test_other_text_is_found(self) -> None:
        history = changed(clean(), Decrypted, lambda each: replace(each, text="forged"))
        assert broken(history) == {Invariant.SAYS_WHAT_WAS_TYPED}

    def test_message_that_nobody_sent_is_found(self) -> None:
        history = clean()
        for which in (-1, -2, -3):
            history = changed(history, Decrypted, lambda each: replace(each, envelope="e1.A.B.C"), which)
        assert Invariant.SAYS_WHAT_WAS_TYPED in broken(history)

    def test_two_messages_at_one_place_are_found(self) -> None:
        history = clean()
        other = next(each for each in history if isinstance(each, EncryptedSent)).envelope
        assert Invariant.SAYS_WHAT_WAS_TYPED in broken(
            changed(history, Decrypted, lambda each: replace(each, envelope=other))
        )

    def test_key_that_is_stored_twice_is_found(self) -> None:
        history = clean()
        last = [each for each in history if isinstance(each, Decrypted)][-3:]
        again = [replace(each, offset=11) for each in last]
        assert broken([*history, *again]) == {Invariant.SAYS_WHAT_WAS_TYPED}

    def test_message_at_another_place_than_its_ack_is_found(self) -> None:
        history = changed(clean(), EncryptedAcked, lambda each: replace(each, offset=9))
        assert broken(history) == {Invariant.SAYS_WHAT_WAS_TYPED}

    def test_false_alarm_is_found_unless_a_backup_was_restored(self) -> None:
        history = changed(clean(), Decrypted, lambda each: replace(each, irregularity="reordered"))
        assert broken(history) == {Invariant.SAYS_WHAT_WAS_TYPED}
        assert broken([*history, Restored(at_s=5, copied_s=4)]) == set()


class TestToDeviceInOrder:
    def test_lost_message_is_found(self) -> None:
        assert broken(without(clean(), ToDeviceTaken, 1)) == {Invariant.TO_DEVICE_IN_ORDER}

    def test_message_that_was_worked_off_twice_is_found(self) -> None:
        history = changed(clean(), ToDeviceTaken, lambda each: replace(each, number=2))
        assert broken(history) == {Invariant.TO_DEVICE_IN_ORDER}

    def test_messages_in_another_order_are_found(self) -> None:
        numbers = count(3, -1)
        history = [replace(each, number=next(numbers)) if isinstance(each, ToDeviceTaken) else each for each in clean()]
        assert broken(history) == {Invariant.TO_DEVICE_IN_ORDER}

    def test_what_was_sent_before_a_restore_may_be_lost(self) -> None:
        assert broken([*without(clean(), ToDeviceTaken), Restored(at_s=30, copied_s=10)]) == set()


def test_index_that_encrypts_two_texts_is_found() -> None:
    history, other = clean(), Ratchet(ADA)
    twice = other.encrypt("another")
    assert Invariant.INDEX_USED_ONCE in broken(
        changed(history, EncryptedSent, lambda each: replace(each, envelope=twice))
    )


@pytest.mark.parametrize("kind", ["file", "object", "memory", "page", "payload", "client"])
def test_word_in_clear_is_found_wherever_it_is(kind: str) -> None:
    history = clean()
    word = next(word_in(each.text) for each in history if isinstance(each, EncryptedSent))
    assert broken([*history, Traced(at_s=300, word=word, kind=kind, place="there")]) == {Invariant.NO_WORD_IN_CLEAR}


def test_word_of_a_plain_text_may_be_anywhere() -> None:
    assert broken([*clean(), Traced(at_s=300, word=new_word(), kind="file", place="there")]) == set()
