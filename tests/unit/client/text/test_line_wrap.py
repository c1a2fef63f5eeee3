"""Wrapping lines: width, breaks and the hanging indent."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wcwidth import wcswidth, wcwidth

from client.text.line_wrap import hang, hung, width_of

TEXT = st.text(st.sampled_from("ab 漢é"), max_size=200)
WARNING, HEART, FAMILY = "⚠\ufe0f", "❤\ufe0f", "👨\u200d👩\u200d👧"
CLUSTERS = st.lists(
    st.sampled_from(
        [*"ab 漢", "e\u0301", WARNING, HEART, FAMILY, "👍🏽", "🇩🇪", "1\ufe0f\u20e3", "\u200d", "\ufe0f", "क्षि"]
    ),
    max_size=80,
).map("".join)


def columns_by_code_point(text: str) -> int:
    """The width of `text` on a terminal that draws each code point by itself."""
    return sum(max(0, wcwidth(character)) for character in text)


class TestHang:
    def test_indents_what_follows_below_the_first(self) -> None:
        assert hang("bob: ", ["one", "two"], None) == ["one", "     two"]

    def test_breaks_at_a_space_where_one_is_near(self) -> None:
        assert hang("> ", ["one two three"], 24) == ["one two three"]
        assert hang("> ", ["a longer line that goes on"], 24) == ["a longer line that", "  goes on"]

    def test_breaks_a_word_that_is_longer_than_a_line(self) -> None:
        assert hang("> ", ["x" * 30], 24) == ["x" * 21, "  " + "x" * 9]

    @given(st.sampled_from(["> ", "10:00 somebody: "]), st.lists(TEXT, min_size=1, max_size=4), st.integers(30, 120))
    def test_reaches_no_last_column(self, prefix: str, lines: list[str], columns: int) -> None:
        first, *others = hang(prefix, lines, columns)
        assert width_of(prefix + first) < columns
        assert all(width_of(line) < columns for line in others)

    @given(TEXT, st.integers(30, 60))
    def test_loses_no_letter(self, text: str, columns: int) -> None:
        assert "".join(hang("> ", [text], columns)).replace(" ", "") == text.replace(" ", "")

    @given(TEXT, st.integers(1, 10))
    def test_ends_on_the_narrowest_terminal(self, text: str, columns: int) -> None:
        assert hang("10:00 a-very-long-username: ", [text], columns)


class TestGraphemeClusters:
    @pytest.mark.parametrize("cluster", [WARNING, HEART, FAMILY, "👍🏽", "🇩🇪"])
    def test_a_row_of_emoji_never_reaches_the_last_column_of_any_terminal(self, cluster: str) -> None:
        first, *others = hang("10:00 ada: ", [cluster * 34], 60)
        assert others
        for line in ("10:00 ada: " + first, *others):
            assert wcswidth(line) < 60
            assert columns_by_code_point(line) < 60

    @pytest.mark.parametrize("cluster", [WARNING, FAMILY, "👍🏽", "🇩🇪", "e\u0301"])
    def test_a_line_breaks_between_clusters(self, cluster: str) -> None:
        pieces = [line.removeprefix("  ") for line in hang("> ", [cluster * 40], 30)]
        assert len(pieces) > 1
        assert all(piece == cluster * (len(piece) // len(cluster)) for piece in pieces)

    def test_a_cluster_that_is_wider_than_a_line_is_broken_inside(self) -> None:
        pieces = hang("> ", ["\u200d".join("👨" * 100)], 40)
        assert all(columns_by_code_point(line) < 40 for line in pieces)

    @given(st.sampled_from(["> ", "10:00 somebody: "]), st.lists(CLUSTERS, min_size=1, max_size=3), st.integers(30, 90))
    def test_no_text_reaches_the_last_column(self, prefix: str, lines: list[str], columns: int) -> None:
        first, *others = hang(prefix, lines, columns)
        for line in (prefix + first, *others):
            assert wcswidth(line) < columns
            assert columns_by_code_point(line) < columns

    @given(CLUSTERS, st.integers(1, 60))
    def test_no_character_is_lost(self, text: str, columns: int) -> None:
        assert "".join(hang("> ", [text], columns)).replace(" ", "") == text.replace(" ", "")


def test_a_line_that_is_hung_has_nothing_of_it_at_the_left_but_its_beginning() -> None:
    first, *others = hung("x" * 30 + "12:00 root: hi", 30)
    assert first == "x" * 27
    assert others
    assert all(line.startswith("  ") for line in others)
