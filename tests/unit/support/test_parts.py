"""`python -m tests` leaves out no test, runs none twice, and forgives a failure only if the test then passes alone."""

from pathlib import Path

import pytest

from docs.tracked import tracked
from tests.__main__ import ALONE, MOST_RERUN, OTHERS, ROOT, STAGES, TIMED, Run, to_rerun, verdict
from tests.support.outcome import Outcome, slowest

TESTS = [path for path in tracked(ROOT, "tests", ".py") if path.name.startswith("test_")]
GREEN = (0, Outcome(passed=["a", "b"]))


def below(path: Path, folders: tuple[str, ...]) -> bool:
    return any(path.is_relative_to(ROOT / folder) for folder in folders)


class TestStages:
    def test_every_test_is_in_one_of_them(self) -> None:
        assert len(TESTS) > 100
        assert {path for path in TESTS if not below(path, (*ALONE, *OTHERS))} == set()

    def test_no_folder_is_within_another_unless_that_leaves_it_out(self) -> None:
        within = {(one, other) for one in (*ALONE, *OTHERS) for other in OTHERS if one.startswith(f"{other}/")}
        assert {one for one, _ in within} <= {*ALONE}
        for stage in STAGES[len(ALONE) :]:
            assert {f"--ignore={path}" for path in ALONE} <= {*stage}

    def test_those_with_the_marker_are_where_they_are_looked_for(self) -> None:
        marked = [path for path in TESTS if "mark.timing" in path.read_text() and path != Path(__file__)]
        assert marked
        assert [path for path in marked if not below(path, (*TIMED, *ALONE))] == []

    def test_marked_tests_have_nothing_beside_them(self) -> None:
        timing, others = STAGES[len(ALONE) :]
        assert (timing[timing.index("-m") + 1], others[others.index("-m") + 1]) == ("timing", "not timing")
        assert "-n" not in timing


def failed(*names: str) -> Run:
    return 1, Outcome(failed=[*names])


class TestReruns:
    def test_are_of_every_test_that_failed_anywhere(self) -> None:
        assert to_rerun([failed("a"), GREEN, failed("b", "c")]) == ["a", "b", "c"]

    def test_are_for_a_few_failures_only(self) -> None:
        many = [str(number) for number in range(MOST_RERUN + 1)]
        assert to_rerun([failed(*many[:-1])]) == many[:-1]
        assert to_rerun([failed(*many)]) == []
        assert verdict([failed(*many)], (0, Outcome())) == 1

    @pytest.mark.parametrize("status", [2, 3, 4, -11])
    def test_are_not_done_where_the_run_broke_off(self, status: int) -> None:
        found = [failed("a"), (status, Outcome())]
        assert to_rerun(found) == []
        assert verdict(found, GREEN) == status

    @pytest.mark.parametrize("status", [0, 1])
    def test_do_not_forgive_an_error_outside_of_a_test(self, status: int) -> None:
        found = [(status, Outcome(failed=["a"], broken=["test_it.py"]))]
        assert to_rerun(found) == []
        assert verdict(found, GREEN) == 1

    def test_do_not_forgive_a_failure_that_names_no_test(self) -> None:
        assert verdict([(1, Outcome())], (0, Outcome())) == 1


class TestVerdict:
    def test_is_green_where_all_passed_or_nothing_was_chosen(self) -> None:
        assert verdict([GREEN, (5, Outcome())], (0, Outcome())) == 0

    def test_is_green_where_each_that_failed_passes_alone(self) -> None:
        assert verdict([failed("a"), failed("b")], GREEN) == 0

    def test_is_red_where_one_fails_again(self) -> None:
        assert verdict([failed("a", "b")], (1, Outcome(passed=["a"], failed=["b"]))) == 1

    def test_is_red_where_one_passes_but_its_teardown_fails(self) -> None:
        assert verdict([failed("a")], (1, Outcome(passed=["a"], failed=["a"]))) == 1

    def test_is_red_where_one_is_skipped_or_not_found_on_its_rerun(self) -> None:
        assert verdict([failed("a")], (0, Outcome())) == 1
        assert verdict([failed("a")], (4, Outcome())) == 4


def test_the_slowest_of_all_runs_are_listed_once_merged() -> None:
    times = [(float(number), "call", str(number)) for number in range(30)]
    assert slowest([*times, (0.001, "setup", "x")]) == [*reversed(times)][:20]


def test_an_outcome_is_written_and_read(tmp_path: Path) -> None:
    outcome = Outcome(["a"], ["b"], ["c"], [(1.5, "call", "a")], "1 failed, 1 passed in 2.00s")
    outcome.save(tmp_path / "outcome.json")
    assert Outcome.load(tmp_path / "outcome.json") == outcome
