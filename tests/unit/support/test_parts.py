"""`python -m tests` leaves out no test, runs none twice, and forgives a failure only if the test then passes alone."""

from pathlib import Path

import pytest

from docs.tracked import tracked
from tests.__main__ import ALONE, MOST_RERUN, OTHERS, ROOT, Run, stages, timed_files, to_rerun, verdict, with_bytecode
from tests.support.outcome import Outcome, slowest

TESTS = [path for path in tracked(ROOT, "tests", ".py") if path.name.startswith("test_")]
GREEN = (0, Outcome(passed=["a", "b"]))


def below(path: Path, folders: tuple[str, ...]) -> bool:
    return any(path.is_relative_to(ROOT / folder) for folder in folders)


class TestStages:
    def test_every_test_file_is_in_a_stage(self) -> None:
        assert len(TESTS) > 100
        assert {path for path in TESTS if not below(path, (*ALONE, *OTHERS))} == set()

    def test_no_test_file_is_in_two_stages(self) -> None:
        within = {(one, other) for one in (*ALONE, *OTHERS) for other in OTHERS if one.startswith(f"{other}/")}
        assert {one for one, _ in within} <= {*ALONE}
        assert {f"--ignore={path}" for path in ALONE} <= {*stages()[-1]}
        assert not [name for name in timed_files() if below(ROOT / name, ALONE)]

    def test_every_file_with_a_timing_test_is_in_the_timing_stage(self) -> None:
        marked = [path for path in TESTS if "mark.timing" in path.read_text() and path != Path(__file__)]
        assert len(marked) > 5
        names = {str(path.relative_to(ROOT)) for path in marked if not below(path, ALONE)}
        assert names == {*timed_files()} <= {*stages()[len(ALONE)]}

    def test_timing_tests_run_without_workers_beside_them(self) -> None:
        timing, others = stages()[len(ALONE) :]
        assert (timing[timing.index("-m") + 1], others[others.index("-m") + 1]) == ("timing", "not timing")
        assert "-n" not in timing


def failed(*names: str) -> Run:
    return 1, Outcome(failed=[*names])


class TestReruns:
    def test_failures_of_every_stage_are_rerun(self) -> None:
        assert to_rerun([failed("a"), GREEN, failed("b", "c")]) == ["a", "b", "c"]

    def test_more_than_ten_failures_are_not_rerun(self) -> None:
        many = [str(number) for number in range(MOST_RERUN + 1)]
        assert to_rerun([failed(*many[:-1])]) == many[:-1]
        assert to_rerun([failed(*many)]) == []
        assert verdict([failed(*many)], (0, Outcome())) == 1

    @pytest.mark.parametrize("status", [2, 3, 4, -11])
    def test_nothing_is_rerun_after_an_aborted_run(self, status: int) -> None:
        found = [failed("a"), (status, Outcome())]
        assert to_rerun(found) == []
        assert verdict(found, GREEN) == status

    @pytest.mark.parametrize("status", [0, 1])
    def test_an_error_outside_of_tests_is_not_forgiven(self, status: int) -> None:
        found = [(status, Outcome(failed=["a"], broken=["test_it.py"]))]
        assert to_rerun(found) == []
        assert verdict(found, GREEN) == 1

    def test_a_failed_run_that_names_no_test_is_not_forgiven(self) -> None:
        assert verdict([(1, Outcome())], (0, Outcome())) == 1


class TestVerdict:
    def test_verdict_is_green_if_all_passed_or_no_test_was_selected(self) -> None:
        assert verdict([GREEN, (5, Outcome())], (0, Outcome())) == 0

    def test_verdict_is_green_if_every_failed_test_passes_on_its_rerun(self) -> None:
        assert verdict([failed("a"), failed("b")], GREEN) == 0

    def test_verdict_is_red_if_a_test_fails_again(self) -> None:
        assert verdict([failed("a", "b")], (1, Outcome(passed=["a"], failed=["b"]))) == 1

    def test_verdict_is_red_if_the_teardown_fails_on_the_rerun(self) -> None:
        assert verdict([failed("a")], (1, Outcome(passed=["a"], failed=["a"]))) == 1

    def test_verdict_is_red_if_a_test_is_skipped_or_missing_on_its_rerun(self) -> None:
        assert verdict([failed("a")], (0, Outcome())) == 1
        assert verdict([failed("a")], (4, Outcome())) == 4


def test_stages_cache_bytecode_even_if_the_environment_forbids_it() -> None:
    assert with_bytecode({"PYTHONDONTWRITEBYTECODE": "1", "HOME": "/"}) == {"HOME": "/"}


def test_the_slowest_of_all_runs_are_listed_once_merged() -> None:
    times = [(float(number), "call", str(number)) for number in range(30)]
    assert slowest([*times, (0.001, "setup", "x")]) == [*reversed(times)][:20]


def test_an_outcome_is_written_and_read(tmp_path: Path) -> None:
    outcome = Outcome(["a"], ["b"], ["c"], [(1.5, "call", "a")], "1 failed, 1 passed in 2.00s")
    outcome.save(tmp_path / "outcome.json")
    assert Outcome.load(tmp_path / "outcome.json") == outcome
