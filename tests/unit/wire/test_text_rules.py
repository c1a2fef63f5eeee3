"""Validation of messages, usernames, room names, topics and keys."""

import sys
import unicodedata
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.limits import Limits
from chatterbox.wire.text_rules import (
    bio,
    content,
    display_name,
    forbidden,
    key,
    label,
    moment_ms,
    reaction,
    room_name,
    status,
    timestamp,
    topic,
    username,
)

LIMITS = Limits()
CONTROLS = {chr(code) for code in range(sys.maxunicode + 1) if unicodedata.category(chr(code)) == "Cc"} - {"\t", "\n"}
BIDI = set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
SEPARATORS = set("\u2028\u2029")
TAGS = {chr(code) for code in range(0xE0000, 0xE0080)}
SURROGATES = {chr(code) for code in range(0xD800, 0xE000)}
NOT_CHARACTERS = {chr(code) for code in range(0xFDD0, 0xFDF0)} | {"\ufffe", "\uffff"}


def refused(action: object, *arguments: object) -> Code:
    assert callable(action)
    with pytest.raises(ChatError) as refusal:
        action(*arguments)
    return refusal.value.code


class TestMessageContent:
    @pytest.mark.parametrize(
        "characters",
        [CONTROLS, BIDI, SEPARATORS, TAGS, SURROGATES, NOT_CHARACTERS],
        ids=["controls", "bidi", "separators", "tags", "surrogates", "not-characters"],
    )
    def test_characters_that_disturb_a_terminal_are_refused(self, characters: set[str]) -> None:
        accepted = {hex(ord(each)) for each in characters if forbidden(f"ab{each}c") != 2}
        assert accepted == set()
        assert refused(content, f"ab{min(characters)}c", LIMITS) == Code.CONTENT_FORBIDDEN

    @pytest.mark.parametrize("text", ["a\tb\nc", "naïve ✓ 日本語", "عربى\u200f!", "👩\u200d🚀", "\u061cx", "e\u0301"])
    def test_any_language_tabs_newlines_and_marks_are_allowed(self, text: str) -> None:
        assert content(text, LIMITS) == text

    @pytest.mark.parametrize("text", ["", " ", "\n\t ", "\u3000", "\u200b", "\u200d\u2060 \ufeff"])
    def test_a_message_without_visible_characters_is_refused(self, text: str) -> None:
        assert refused(content, text, LIMITS) == Code.CONTENT_EMPTY

    def test_the_limit_of_4000_characters_counts_code_points(self) -> None:
        assert content("🚀" * 4000, LIMITS) == "🚀" * 4000
        assert refused(content, "x" * 4001, LIMITS) == Code.CONTENT_TOO_LONG

    def test_a_refusal_names_the_character_without_printing_it(self) -> None:
        with pytest.raises(ChatError, match=r"Character 3 is U\+202E RIGHT-TO-LEFT OVERRIDE") as refusal:
            content("ab\u202ec", LIMITS)
        assert "\u202e" not in refusal.value.detail

    @given(st.text(st.characters()))
    def test_any_text_is_returned_unchanged_or_refused(self, text: str) -> None:
        try:
            assert content(text, LIMITS) is text
        except ChatError as refusal:
            explanation = refusal.detail
        else:
            explanation = "fine"
        assert explanation.isprintable()

    @pytest.mark.parametrize(
        ("character", "name"),
        [("\x1b", "U+001B, a control character"), ("\ud800", "U+D800, not a character"), ("A", "U+0041 LATIN CAPITAL")],
    )
    def test_every_character_has_a_printable_label(self, character: str, name: str) -> None:
        assert label(character).startswith(name)


class TestUsernames:
    @pytest.mark.parametrize(
        ("typed", "name"),
        [("Ada", "Ada"), ("\uff41da", "ada"), ("x" * 32, "x" * 32), ("Жанна", "Жанна"), ("a_b", "a_b")],
    )
    def test_usernames_keep_their_case_and_are_normalized(self, typed: str, name: str) -> None:
        assert username(typed) == name

    @pytest.mark.parametrize("typed", ["", "nu", "x" * 33, "x" * 65, "-ada", "a da", "ada!", "\x1bada"])
    def test_invalid_usernames_are_refused_with_the_rule(self, typed: str) -> None:
        with pytest.raises(ChatError, match="A username must be 3-32 letters") as refusal:
            username(typed)
        assert refusal.value.code == Code.USERNAME_INVALID


class TestRoomNames:
    @pytest.mark.parametrize(
        ("typed", "name"),
        [
            ("General", "general"),
            ("ﬁles", "files"),
            ("Straße", "strasse"),
            ("ÀB", "àb"),
            ("\uff12\uff10\uff12\uff16", "2026"),
            ("a_b.c-d", "a_b.c-d"),
            ("हिन्दी", "हिन्दी"),
            ("日本語", "日本語"),
            ("x" * 40, "x" * 40),
        ],
    )
    def test_room_names_are_case_folded_and_normalized(self, typed: str, name: str) -> None:
        assert room_name(typed, LIMITS) == name

    @pytest.mark.parametrize(
        "typed",
        ["", " ", "a b", "_a", ".a", "-a", "\u0301a", "#a", "a/b", "a\nb", "\u202ea", "a\u200b", "\ud800", "½",
         "x" * 41, "\ufdfa" * 40, "🚀"],
    )  # fmt: skip
    def test_invalid_room_names_are_refused(self, typed: str) -> None:
        assert refused(room_name, typed, LIMITS) == Code.ROOM_NAME_INVALID

    def test_the_length_of_a_room_name_is_checked_before_normalization(self) -> None:
        """65,000 combining marks would take most of a second."""
        marks = "a" + "\u0301\u0345\u0323" * 10_000
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("chatterbox.wire.text_rules.folded", None)
            assert refused(room_name, marks, LIMITS) == Code.ROOM_NAME_INVALID

    @given(st.text(st.characters(categories=["L", "N", "M", "Pc", "Pd"]), max_size=12))
    def test_normalizing_a_room_name_is_idempotent(self, typed: str) -> None:
        try:
            name = room_name(typed, LIMITS)
        except ChatError:
            return
        assert room_name(name, LIMITS) == name


class TestTopics:
    @pytest.mark.parametrize(
        ("typed", "stored"),
        [
            ("", ""),
            (" \n\t ", ""),
            ("\u200b", ""),
            ("  Engines ", "Engines"),
            ("x" * 200, "x" * 200),
            ("日本語 🚀", "日本語 🚀"),
        ],
    )
    def test_topics_are_stripped_and_invisible_ones_are_empty(self, typed: str, stored: str) -> None:
        assert topic(typed, LIMITS) == stored

    @pytest.mark.parametrize("typed", ["x" * 201, "two\nlines", "a\tb", "a\x1b[2Jb", "a\u202eb", "a\u2028b", "\ud800x"])
    def test_long_multiline_or_dangerous_topics_are_refused(self, typed: str) -> None:
        assert refused(topic, typed, LIMITS) == Code.TOPIC_INVALID

    @given(st.text())
    def test_normalizing_a_topic_is_idempotent_and_gives_one_safe_line(self, typed: str) -> None:
        try:
            stored = topic(typed, LIMITS)
        except ChatError:
            return
        assert topic(stored, LIMITS) == stored
        assert forbidden(stored) is None
        assert len(stored.splitlines()) <= 1


class TestProfileTexts:
    @pytest.mark.parametrize(
        ("typed", "stored"),
        [
            ("  Ada   Lovelace ", "Ada Lovelace"),
            ("Ada\u00a0Lovelace", "Ada Lovelace"),
            ("Zoe\u0308", "Zo\u00eb"),
            ("\u200b \u2060", ""),
            ("\u674e\u96f7 \U0001f431", "\u674e\u96f7 \U0001f431"),
        ],
    )
    def test_display_names_are_composed_with_single_spaces(self, typed: str, stored: str) -> None:
        assert display_name(typed, LIMITS) == stored

    @pytest.mark.parametrize(
        ("rule", "most", "code"),
        [
            (display_name, LIMITS.display_name_chars, Code.DISPLAY_NAME_INVALID),
            (bio, LIMITS.bio_chars, Code.PROFILE_INVALID),
            (status, LIMITS.status_chars, Code.PROFILE_INVALID),
        ],
        ids=["display name", "bio", "status"],
    )
    def test_texts_that_are_too_long_or_not_one_safe_line_are_refused(
        self, rule: Callable[[str, Limits], str], most: int, code: Code
    ) -> None:
        assert rule("x" * most, LIMITS) == "x" * most
        assert rule("e\u0301" * most, LIMITS) == "\u00e9" * most
        for typed in (
            "x" * (most + 1),
            "e\u0301" * 10**6,
            "a\nb",
            "a\tb",
            "a\u202eb",
            "a\x1b[2Jb",
            "a\u2028b",
            "\ud800",
        ):
            assert refused(rule, typed, LIMITS) == code

    @given(st.text(max_size=80))
    def test_normalizing_a_profile_text_is_idempotent(self, typed: str) -> None:
        for rule in (display_name, bio, status):
            try:
                stored = rule(typed, LIMITS)
            except ChatError:
                continue
            assert rule(stored, LIMITS) == stored
            assert forbidden(stored) is None


class TestIdempotencyKeys:
    @pytest.mark.parametrize("text", ["a", "0", "x" * 64, "A-Z_a.z:0"])
    def test_valid_idempotency_keys_are_accepted(self, text: str) -> None:
        assert key(text, LIMITS) == text

    @pytest.mark.parametrize("text", ["", "x" * 65, "a b", "a\n", "é", "a/b", "\x00", "\u0661"])
    def test_invalid_idempotency_keys_are_refused(self, text: str) -> None:
        assert refused(key, text, LIMITS) == Code.KEY_INVALID


@given(st.integers(0, 4_102_444_800_000))
def test_timestamps_have_millisecond_precision(at_ms: int) -> None:
    assert round(datetime.fromisoformat(timestamp(at_ms)).timestamp() * 1000) == at_ms


@given(st.datetimes(timezones=st.just(UTC)))
def test_moment_is_the_time_that_is_written_and_can_be_written_again(moment: datetime) -> None:
    assert timestamp(moment_ms(moment.isoformat())) == max(
        timestamp(0), f"{moment.isoformat('T', 'milliseconds')[:23]}Z"
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "tomorrow",
        "2026-12-01",
        "2026-12-01T08:00:00",
        "2026-13-01T08:00:00Z",
        "9999-12-31T23:59:59-14:00",
        "1" * 999,
    ],
)
def test_what_is_no_time_of_rfc_3339_is_refused(text: str) -> None:
    assert refused(lambda each, _: moment_ms(each), text, LIMITS) == Code.BAD_REQUEST


SCOTLAND = "\U0001f3f4\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (SCOTLAND, None),
        (f"{SCOTLAND}{SCOTLAND} v \U0001f3f4", None),
        (SCOTLAND[:-1], 1),
        (SCOTLAND[1:], 0),
        (f"{SCOTLAND}\U000e0061", len(SCOTLAND)),
        (f"{SCOTLAND}\u202e", len(SCOTLAND)),
        (f"\U0001f3f4{SCOTLAND[1:-1] * 2}\U000e007f", 1),
    ],
    ids=["flag", "flags", "unfinished", "no-base", "tag-after-it", "override-after-it", "too-long"],
)
def test_tags_are_accepted_in_flags_only(text: str, found: int | None) -> None:
    assert forbidden(text) == found


def test_byte_that_could_not_be_decoded_is_described_as_such() -> None:
    with pytest.raises(ChatError, match=r"Character 3 is the byte 0xFC \(not UTF-8\), which a message can't contain\."):
        content("gr\udcfc", Limits())


class TestReactions:
    @pytest.mark.parametrize(
        "emoji",
        [
            "\N{THUMBS UP SIGN}",
            "\N{HEAVY BLACK HEART}\N{VARIATION SELECTOR-16}",
            "\N{WAVING HAND SIGN}\N{EMOJI MODIFIER FITZPATRICK TYPE-5}",
            "\N{MAN}\N{ZERO WIDTH JOINER}\N{WOMAN}\N{ZERO WIDTH JOINER}\N{GIRL}\N{ZERO WIDTH JOINER}\N{BOY}",
            "\U0001f1e9\U0001f1ea",
            "1\N{VARIATION SELECTOR-16}\N{COMBINING ENCLOSING KEYCAP}",
            "\U0001f3f4\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f",
            ":tada:",
            ":+1:",
        ],
    )
    def test_one_emoji_or_a_name_is_a_reaction(self, emoji: str) -> None:
        assert reaction(emoji, Limits()) == emoji

    @pytest.mark.parametrize(
        "text",
        ["", "a", "1", "::", ":Tada:", ":a b:", "\N{THUMBS UP SIGN}" * 2, "\N{THUMBS UP SIGN}\u200d", f":{'a' * 31}:",
         "\N{VARIATION SELECTOR-16}", "\U0001f1e9", "\x1b", ":a:\n", "\u202e"],
    )  # fmt: skip
    def test_anything_else_is_refused(self, text: str) -> None:
        with pytest.raises(ChatError) as refusal:
            reaction(text, Limits())
        assert refusal.value.code == Code.REACTION_INVALID
