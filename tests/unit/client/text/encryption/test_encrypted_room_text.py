"""Sentences about encrypted rooms."""

import pytest

from client.encryption.core.trust import Trust
from client.encryption.message_encryption import WaitReason
from client.text.encryption import encrypted_room_text as text
from client.text.encryption.encryption_text import refused_line

HOSTILE = "bob\x1b[2J left. root"


@pytest.mark.parametrize(
    ("earlier", "end"),
    [
        (0, "bob will read #plans~ from then on."),
        (1, "from then on, and the message before."),
        (1204, "from then on, and the 1,204 messages before."),
    ],
)
def test_invitation_says_what_the_user_will_read(earlier: int, end: str) -> None:
    assert text.invited_line("plans~", "bob", earlier).endswith(end)


def test_members_are_counted_in_words() -> None:
    assert text.member_words({"ada": Trust.VERIFIED}, "Ada") == "1 member"
    members = {"ada": Trust.VERIFIED, "bob": Trust.CHANGED, "eve": Trust.SEEN}
    assert text.member_words(members, "eve") == "3 members, 1 verified, 1 with new keys"


def test_members_without_keys_are_named_with_the_reason() -> None:
    members = {"ada": Trust.SEEN, "bob": Trust.CHANGED}
    assert text.without_keys_lines(["ada", "Bob", "mallory"], members) == [
        "Bob (gets no keys until you take the new ones: /verify Bob).",
        "mallory (gets no keys: no member invited them).",
    ]


def test_names_can_not_bend_a_sentence() -> None:
    for line in (
        text.invited_line("plans~", HOSTILE, 1),
        text.member_mark(HOSTILE, {HOSTILE.casefold(): Trust.CHANGED}),
        *text.after_successor("plans", "plans~", [HOSTILE], [HOSTILE], [HOSTILE]),
    ):
        assert "\x1b" not in line


@pytest.mark.parametrize("reason", list(WaitReason))
def test_each_reason_for_a_refusal_has_a_sentence(reason: WaitReason) -> None:
    line = refused_line(reason, ["bob"], "Why.")
    assert line
    assert "Your message" not in line
