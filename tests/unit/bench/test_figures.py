from bench.figures import Figure, show, summarize, summarize_runs


class TestASummary:
    def test_is_the_median_and_the_spread(self) -> None:
        summary = summarize([30.0, 10.0, 20.0])
        assert (summary.median, summary.least, summary.most) == (20.0, 10.0, 30.0)

    def test_of_an_even_number_of_runs_takes_the_middle_between_the_two(self) -> None:
        assert summarize([1.0, 2.0, 4.0, 100.0]).median == 3.0

    def test_keeps_each_rounds_value_in_order(self) -> None:
        assert summarize([3.0, 1.0, 2.0]).values == (3.0, 1.0, 2.0)


class TestManyRuns:
    def test_are_summarized_figure_by_figure(self) -> None:
        summaries = summarize_runs([{"a": 1.0, "b": 5.0}, {"a": 3.0, "b": 5.0}])
        assert summaries["a"].median == 2.0
        assert summaries["b"].least == summaries["b"].most == 5.0

    def test_give_no_figure_that_one_of_them_lacks(self) -> None:
        assert set(summarize_runs([{"a": 1.0, "b": 1.0}, {"a": 1.0}])) == {"a"}

    def test_may_be_none(self) -> None:
        assert summarize_runs([]) == {}


class TestACell:
    figure = Figure("x", "x", digits=1)

    def test_shows_median_and_spread(self) -> None:
        assert show(self.figure, summarize([1234.56, 1000.0, 2000.0])) == "1,234.6 (1,000.0…2,000.0)"

    def test_shows_a_single_run_alone(self) -> None:
        assert show(self.figure, summarize([2.0])) == "2.0"

    def test_shows_a_dash_for_what_was_not_measured(self) -> None:
        assert show(self.figure, None) == "-"
