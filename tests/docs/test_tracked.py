"""Tests and tables read the project's own files, not what a build or an installation put beside them."""

import shutil
import subprocess
from pathlib import Path

import pytest

from docs.tables import ROOT
from docs.tracked import tracked


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A project with one module and one page, and installed packages below the same folder, as after `make bench`."""
    for name in ("bench/kept.py", "bench/README.md", "bench/.build/venv/broken.py", "bench/__pycache__/kept.pyc"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("def broken(:\n    >>> 1\n")
    (tmp_path / ".gitignore").write_text(".build/\n__pycache__/\n")
    return tmp_path


def git(tree: Path, *arguments: str) -> None:
    if shutil.which("git") is None:
        pytest.skip("needs git")
    subprocess.run(["git", "-C", tree, *arguments], check=True, capture_output=True)


def test_installed_packages_are_not_listed_in_a_checkout(tree: Path) -> None:
    git(tree, "init")
    git(tree, "add", ".")
    assert tracked(tree, "bench", ".py") == [tree / "bench/kept.py"]
    assert tracked(tree, suffix=".md") == [tree / "bench/README.md"]


def test_a_file_that_was_deleted_but_not_committed_is_not_listed(tree: Path) -> None:
    git(tree, "init")
    git(tree, "add", ".")
    (tree / "bench/kept.py").unlink()
    (tree / "bench/other.py").touch()
    git(tree, "add", "bench/other.py")
    assert tracked(tree, "bench", ".py") == [tree / "bench/other.py"]


def test_installed_packages_are_not_listed_where_there_is_no_checkout(tree: Path) -> None:
    assert tracked(tree, "bench", ".py") == [tree / "bench/kept.py"]
    assert tracked(tree, suffix=".md") == [tree / "bench/README.md"]


def test_an_unpacked_archive_inside_another_checkout_is_listed_from_the_disk(tree: Path) -> None:
    git(tree, "init")
    assert tracked(tree, "bench", ".py") == [tree / "bench/kept.py"]


def test_a_checkout_and_a_walk_list_the_same_files_of_this_project(monkeypatch: pytest.MonkeyPatch) -> None:
    by_git = tracked(ROOT, "services", ".py")
    monkeypatch.setenv("PATH", "")
    assert by_git
    assert set(by_git) <= set(tracked(ROOT, "services", ".py"))


def test_no_test_or_table_lists_a_folder_of_the_project_by_itself() -> None:
    """What is globbed also has what `make bench` and `make` install there."""
    names = [path for folder in ("docs", "tests/docs", "tests/unit/support") for path in tracked(ROOT, folder, ".py")]
    globbing = [path.name for path in names if "glob(" in path.read_text() and path != Path(__file__)]
    assert globbing == []
