"""`python -m tests` on a small project: what fails by chance is run again, alone, and nothing else is forgiven."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.__main__ import ROOT, run

FLAKY = """
from pathlib import Path
def test_flaky():
    if not Path("once").exists():
        Path("once").touch()
        raise AssertionError("the first time")
"""
RED = "def test_red():\n    assert False\n"
GREEN = "def test_green():\n    pass\n"
ALONE = ("-p", "no:cacheprovider")
WORKERS = (*ALONE, "-p", "xdist", "-n", "1", "--dist", "loadfile")
alone_and_in_workers = pytest.mark.parametrize("more", [ALONE, WORKERS], ids=["alone", "in workers"])


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # they take seconds to import, and are not needed
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = -q\n")
    (tmp_path / "test_green.py").write_text(GREEN)
    return tmp_path


class Done:
    """A run of the project, in two stages."""

    def __init__(self, project: Path, capfd: pytest.CaptureFixture[str], more: Sequence[str] = ALONE) -> None:
        self.status = run([[*ALONE, "test_green.py"], [*more, "test_it.py"]], [], project)
        self.lines = capfd.readouterr().out.splitlines()
        self.flaky = [line for line in self.lines if line.startswith("flaky:")]

    @property
    def is_forgiven(self) -> bool:
        return self.status == 0 or bool(self.flaky) or any("once more" in line for line in self.lines)


@alone_and_in_workers
def test_a_test_that_passes_alone_is_flaky_and_forgiven(
    project: Path, capfd: pytest.CaptureFixture[str], more: Sequence[str]
) -> None:
    (project / "test_it.py").write_text(FLAKY)
    done = Done(project, capfd, more)
    assert done.status == 0, done.lines
    assert done.flaky == ["flaky: test_it.py::test_flaky"]
    assert [line.partition(" in ")[0] for line in done.lines[-3:]] == ["1 passed", "1 failed", "1 passed"]


def test_a_test_that_always_fails_is_not_forgiven(project: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (project / "test_it.py").write_text(FLAKY + RED)
    done = Done(project, capfd)
    assert done.status == 1
    assert done.flaky == ["flaky: test_it.py::test_flaky"]
    assert done.lines[-1].startswith("1 failed, 1 passed in ")


def test_tests_whose_fixture_fails_once_are_run_again(project: Path, capfd: pytest.CaptureFixture[str]) -> None:
    fixture = FLAKY.replace("def test_flaky", "import pytest\n@pytest.fixture(scope='module')\ndef site")
    (project / "test_it.py").write_text(fixture + "def test_a(site): pass\ndef test_b(site): pass\n")
    done = Done(project, capfd)
    assert done.status == 0, done.lines
    assert done.flaky == ["flaky: test_it.py::test_a", "flaky: test_it.py::test_b"]


@alone_and_in_workers
def test_a_collection_error_is_never_forgiven(
    project: Path, capfd: pytest.CaptureFixture[str], more: Sequence[str]
) -> None:
    (project / "test_it.py").write_text(FLAKY + "raise ImportError('nowhere')\n")
    done = Done(project, capfd, more)
    assert not done.is_forgiven
    assert "broken: test_it.py" in done.lines


@alone_and_in_workers
def test_a_crash_of_pytest_is_never_forgiven(
    project: Path, capfd: pytest.CaptureFixture[str], more: Sequence[str]
) -> None:
    (project / "test_it.py").write_text(FLAKY.replace("raise AssertionError", "import os; os._exit(1)  #"))
    assert not Done(project, capfd, more).is_forgiven


def test_an_internal_error_of_pytest_is_never_forgiven(project: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (project / "test_it.py").write_text(FLAKY)
    (project / "conftest.py").write_text("def pytest_runtest_logreport(report):\n    assert report.passed\n")
    assert not Done(project, capfd).is_forgiven


def test_after_many_failures_no_test_is_run_again(project: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (project / "test_it.py").write_text("".join(RED.replace("red", str(number)) for number in range(11)))
    assert not Done(project, capfd).is_forgiven


def test_the_slowest_tests_of_all_stages_are_one_list(project: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for name, seconds in (("green", 0.05), ("it", 0.1)):
        text = GREEN.replace("green", name).replace("pass", f"__import__('time').sleep({seconds})")
        (project / f"test_{name}.py").write_text(text)
    lines = Done(project, capfd).lines
    begin = next(number for number, line in enumerate(lines) if line.startswith("slowest tests"))
    listed = [line.split()[-1] for line in lines[begin + 1 : begin + 3]]
    assert listed == ["test_it.py::test_it", "test_green.py::test_green"]
