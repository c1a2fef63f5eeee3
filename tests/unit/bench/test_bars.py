import pytest

from bench.promises.bars import Bar, Judged, Line, Part, as_data, as_markdown, p99

SECONDS = Bar("closed after", "s", Judged.P99, 1.0)


class TestABar:
    @pytest.mark.parametrize(("judged", "reached"), [(Judged.MEDIAN, True), (Judged.P99, True), (Judged.MOST, False)])
    def test_is_held_against_the_figure_that_it_names(self, judged: Judged, reached: bool) -> None:
        values = [0.5] * 199 + [1.5]
        assert Line(Bar("", "s", judged, 1.0), values).is_reached is reached

    def test_is_reached_by_what_equals_it(self) -> None:
        assert Line(SECONDS, [1.0]).is_reached

    def test_is_not_reached_by_what_was_not_measured(self) -> None:
        assert Line(SECONDS, []).is_reached is False

    def test_may_be_the_least_that_is_wanted(self) -> None:
        bar = Bar("deliveries", "/s", least=10)
        assert [Line(bar, [value]).is_reached for value in (9.0, 10.0)] == [False, True]
        assert bar.promised == "median ≥ 10.00 /s"

    def test_is_none_where_nothing_is_promised(self) -> None:
        assert Line(Bar("memory", "MiB"), [5.0]).is_reached is None


def test_p99_of_few_is_the_greatest() -> None:
    assert p99([3.0, 1.0, 2.0]) == 3.0


class TestTheReport:
    parts = (Part("Sessions", "Two gateways.", [Line(SECONDS, [0.25, 2.0]), Line(SECONDS, [])]),)

    def test_says_of_each_bar_whether_it_is_reached(self) -> None:
        markdown = as_markdown({"CPU": "one"}, self.parts, ["somebody fell"])
        row = "| closed after | p99 ≤ 1.00 s | 2 | 1.12 s | 2.00 s | 0.25 s…2.00 s | **not reached** |"
        assert row in markdown
        assert "| closed after | p99 ≤ 1.00 s | 0 | - | - | - | **not reached** |" in markdown
        assert "- somebody fell" in markdown

    def test_keeps_every_value(self) -> None:
        (part,) = as_data({}, self.parts, [])["parts"]
        assert [line["values"] for line in part["lines"]] == [[0.25, 2.0], []]
        assert [line["reached"] for line in part["lines"]] == [False, False]
