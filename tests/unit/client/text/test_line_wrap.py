"""Lines that fit, and the first columns in our hands."""

from hypothesis import given
from hypothesis import strategies as st

from client.text.line_wrap import hang, hung, width_of

TEXT = st.text(st.sampled_from("ab 漢é"), max_size=200)


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


def test_a_line_that_is_hung_has_nothing_of_it_at_the_left_but_its_beginning() -> None:
    first, *others = hung("x" * 30 + "12:00 root: hi", 30)
    assert first == "x" * 27
    assert others
    assert all(line.startswith("  ") for line in others)
