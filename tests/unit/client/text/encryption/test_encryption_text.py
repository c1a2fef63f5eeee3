"""Sentences about encryption: one for each case, each with a next step, and none that another user's name can bend."""

from dataclasses import replace

import pytest

from chatterbox.wire.encryption.key_api import DeviceState
from chatterbox.wire.frames import Message
from chatterbox.wire.frames.encryption import WithheldReason
from chatterbox.wire.position import Position
from client.encryption.core.trust import DecryptedMessage, Irregularity, Trust, Unreadable
from client.encryption.core.verification.verification_state import Comparison, VerificationEnd, VerificationNews
from client.encryption.message_encryption import WaitReason
from client.text.encryption import encryption_text, keys_text, verification_text
from client.text.encryption.encryption_text import UnreadableRun, with_unreadable_runs
from client.text.encryption.keys_text import KeysState, ShownDevice
from client.text.encryption.shell_words import for_shell

HOSTILE = "bob\x1b[2J left.\nroot"
NEXT_STEPS = ("/", "Ask ", "chatterbox", "Update", "appear", "Nothing is missing", "Only those", "log in again")


def message(offset: int, unreadable: Unreadable | None = None, username: str = "bob", room: str = "@bob") -> Message:
    return DecryptedMessage(
        room=room,
        at=Position("e", offset),
        message_id=offset,
        username=username,
        content="",
        timestamp="2026-11-30T12:00:00Z",
        unreadable=unreadable,
    )


class TestUnreadable:
    @pytest.mark.parametrize("count", [1, 1204])
    @pytest.mark.parametrize("reason", list(Unreadable))
    def test_each_reason_has_a_sentence_with_a_next_step(self, reason: Unreadable, count: int) -> None:
        line = encryption_text.unreadable_line(reason, "bob", count)
        assert line.startswith("1 message" if count == 1 else "1204 messages" if "1204" in line else "1,204 messages")
        assert any(step in line for step in NEXT_STEPS)
        assert "{" not in line

    @pytest.mark.parametrize("reason", list(Unreadable))
    def test_a_name_can_not_bend_a_sentence(self, reason: Unreadable) -> None:
        line = encryption_text.unreadable_line(reason, HOSTILE)
        assert "\x1b" not in line
        assert "\n" not in line
        assert " left. root" not in line

    def test_neighbours_of_one_reason_and_room_are_one_line(self) -> None:
        shown = list(
            with_unreadable_runs(
                [
                    message(1),
                    message(2, Unreadable.LOST),
                    message(3, Unreadable.LOST, "ada"),
                    message(4, Unreadable.AWAITING),
                    message(5, Unreadable.AWAITING, room="@eve"),
                    message(6, Unreadable.PLAIN),
                    message(7, Unreadable.PLAIN),
                ]
            )
        )
        runs = [len(each.messages) if isinstance(each, UnreadableRun) else each.at.offset for each in shown]
        assert runs == [1, 2, 1, 1, 6, 7]
        assert isinstance(shown[1], UnreadableRun)
        assert shown[1].line == "2 messages whose keys are lost. Ask its sender to send them again."

    def test_a_plain_message_is_never_shown_under_the_name_that_it_bears(self) -> None:
        assert encryption_text.plain_line("bob", "hi\x07") == "the server says, not bob: hi␇"


class TestHeaders:
    @pytest.mark.parametrize("trust", [*Trust, None])
    def test_words_come_before_any_decoration(self, trust: Trust | None) -> None:
        assert encryption_text.header_words(trust, "2026-11-02").startswith("encrypted")
        assert encryption_text.header_words(trust, encrypted=False) == "not encrypted"


class TestEverySentence:
    def test_is_there_for_each_case_and_is_inert(self) -> None:
        lines = [encryption_text.irregularity_line(each, HOSTILE) for each in Irregularity]
        lines += [encryption_text.withheld_line(each, HOSTILE) for each in WithheldReason]
        lines += [encryption_text.waiting_line(each, [HOSTILE], HOSTILE) for each in WaitReason]
        lines += [encryption_text.waiting_line(each, ["ada", HOSTILE]) for each in WaitReason]
        for end in VerificationEnd:
            lines += verification_text.ended_lines(end, HOSTILE)
            lines += verification_text.ended_lines(end, HOSTILE, is_own=True)
        for verified in (False, True):
            lines += encryption_text.key_change_lines(HOSTILE, "2026-11-30", verified=verified)
            lines.append(encryption_text.keys_changed_refusal(HOSTILE, "12345 67890", verified=verified))
            lines += verification_text.safety_number_lines(HOSTILE, "12345 " * 12, verified=verified)
        lines += [keys_text.device_line(ShownDevice(HOSTILE, state, name=HOSTILE)) for state in DeviceState]
        lines += keys_text.pending_device_lines(HOSTILE, HOSTILE)
        for line in lines:
            assert line
            assert "\x1b" not in line
            assert "\n" not in line

    def test_new_keys_of_a_verified_user_are_not_sent_to_by_enter(self) -> None:
        seen, verified = (
            encryption_text.key_change_lines("bob", "2026-11-30", verified=verified)[1] for verified in (False, True)
        )
        assert "press Enter again" in seen
        assert "Enter" not in verified
        assert "/unverify bob" in verified

    def test_the_number_for_scripts_has_no_spaces(self) -> None:
        line = encryption_text.keys_changed_refusal("bob", "12345 67890", verified=False)
        assert line.endswith("--accept-keys 1234567890")


class TestVerification:
    SHOWN = Comparison((2368, 9157, 1403), ("Book", "Gift"))

    def test_a_request_says_what_to_type(self) -> None:
        news = VerificationNews("ada", "ABCDEFGHIJ", is_own=False, is_requested=True)
        assert verification_text.news_lines(news) == ["ada wants to compare keys with you: /verify ada"]
        own = replace(news, is_own=True)
        assert verification_text.news_lines(own)[0].endswith("/keys approve ABCDEFGHIJ")

    @pytest.mark.parametrize("is_own", [False, True])
    def test_numbers_come_first_and_both_answers_are_named(self, *, is_own: bool) -> None:
        news = VerificationNews("ada", "ABCDEFGHIJ", is_own=is_own, comparison=self.SHOWN)
        shown, question = verification_text.news_lines(news)
        assert "2368 9157 1403  (Book, Gift)" in shown
        assert question.endswith("If it is the same: /verify ada yes. If not: /verify ada no")
        assert "Is it the same?" not in question

    def test_the_end_of_a_comparison_of_own_devices_names_the_device(self) -> None:
        news = VerificationNews("ada", "ABCDEFGHIJ", is_own=True, end=VerificationEnd.MISMATCH)
        assert "/keys recover" in verification_text.news_lines(news)[1]


class TestKeys:
    def test_the_state_says_what_is_missing_and_what_to_type(self) -> None:
        assert keys_text.status_line(KeysState(1)) == (
            "keys: not backed up · 1 device · no recovery key (chatterbox keys code)"
        )
        state = KeysState(2, pending=1, recovery_key=True, backup_waiting=3)
        assert "backed up, but for 3 that wait · 2 devices · 1 waiting for approval" in keys_text.status_line(state)

    @pytest.mark.parametrize(("seconds", "words"), [(3, "3 s ago"), (600, "10 min ago"), (86_400, "24 h ago")])
    def test_the_age_of_the_backup_is_told_in_few_digits(self, seconds: float, words: str) -> None:
        assert words in keys_text.status_line(KeysState(1, recovery_key=True, backup_s=seconds))

    def test_a_stolen_device_is_to_be_logged_out_too(self) -> None:
        assert "chatterbox logout ID" in keys_text.stolen_lines("ABCDEFGHIJ", is_logged_out=False)[1]
        assert "chatterbox logout ID" not in keys_text.stolen_lines("ABCDEFGHIJ", is_logged_out=True)[1]

    def test_a_reset_counts_what_it_costs(self) -> None:
        assert len(keys_text.reset_lines(0, 0)) == 1
        locked, _, devices = keys_text.reset_lines(1204, 2)
        assert "1,204 keys" in locked
        assert devices.startswith("2 other devices")


class TestShellWords:
    @pytest.mark.parametrize(
        ("chat", "shell"),
        [
            ("To read it: /keys recover", "To read it: chatterbox keys recover"),
            ("(/verify bob) or (/unverify bob)", "(chatterbox keys verify bob) or (chatterbox keys unverify bob)"),
            ("change your password (/passwd).", "change your password (chatterbox passwd)."),
            ("a file /home/keys is kept", "a file /home/keys is kept"),
        ],
    )
    def test_slash_commands_become_those_of_the_shell(self, chat: str, shell: str) -> None:
        assert for_shell(chat) == shell
