from bench.promises.bars import Bar
from bench.targets import OURS, RAW, TARGETS, Target, judged
from bench.workloads import WORKLOADS

RATIO = Target("w1", Bar("w1: CPU", "times", most=0.7), "cpu", RAW)


class TestATarget:
    def test_is_a_ratio_of_each_round(self) -> None:
        runs = {("w1", OURS): [{"cpu": 1.0}, {"cpu": 3.0}], ("w1", RAW): [{"cpu": 2.0}, {"cpu": 10.0}]}
        assert list(RATIO.line(runs).values) == [0.5, 0.3]

    def test_leaves_out_a_round_in_which_one_of_the_two_came_to_nothing(self) -> None:
        runs = {("w1", OURS): [{}, {"cpu": 3.0}], ("w1", RAW): [{"cpu": 2.0}, {"cpu": 10.0}]}
        assert list(RATIO.line(runs).values) == [0.3]

    def test_is_not_reached_where_nothing_was_measured(self) -> None:
        assert RATIO.line({}).is_reached is False

    def test_may_be_a_figure_of_ours_alone(self) -> None:
        least = Target("w2", Bar("w2", "deliveries/s", least=10), "per_s")
        assert least.line({("w2", OURS): [{"per_s": 10.0}]}).is_reached
        assert least.line({("w2", OURS): [{"per_s": 9.0}]}).is_reached is False


class TestTheVerdicts:
    def test_are_of_what_was_run(self) -> None:
        part = judged({("w1", OURS): [{}]}, [RATIO, Target("w3", Bar("w3"), "cpu")])
        assert [line.bar.title for line in part.lines] == ["w1: CPU"]

    def test_are_about_workloads_and_figures_that_there_are(self) -> None:
        named = {workload.name for workload in WORKLOADS}
        assert {target.workload for target in TARGETS} <= named
