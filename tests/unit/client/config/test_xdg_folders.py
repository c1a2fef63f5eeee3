"""Folders of the client's files, with and without a home directory."""

import os
import pwd
from pathlib import Path

import pytest

from client.__main__ import main
from client.config.xdg_folders import config_folder, state_folder
from client.failures import ExitCode, Failure


@pytest.fixture
def homeless(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user without a home directory, as in containers and services with an arbitrary user id."""

    def unknown(number: int) -> pwd.struct_passwd:
        raise KeyError(f"getpwuid(): uid not found: {number}")

    for name in [*(name for name in os.environ if name.startswith("XDG_")), "HOME", "CHATTERBOX_HOME"]:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", unknown)


@pytest.mark.usefixtures("homeless")
def test_missing_home_directory_names_the_variable_to_set() -> None:
    for folder in (state_folder, config_folder):
        with pytest.raises(Failure, match=r"No home directory .*\$CHATTERBOX_HOME"):
            folder({})


@pytest.mark.parametrize("home", ["relative", "~"])
def test_relative_home_directory_counts_as_missing(monkeypatch: pytest.MonkeyPatch, home: str) -> None:
    monkeypatch.setenv("HOME", home)
    with pytest.raises(Failure, match=r"\$CHATTERBOX_HOME"):
        state_folder({})


@pytest.mark.usefixtures("homeless")
def test_variables_replace_a_missing_home_directory(tmp_path: Path) -> None:
    assert state_folder({"CHATTERBOX_HOME": str(tmp_path)}) == tmp_path
    assert state_folder({"XDG_STATE_HOME": str(tmp_path)}) == tmp_path / "chatterbox"


@pytest.mark.usefixtures("homeless")
@pytest.mark.parametrize(
    "arguments", [["rooms"], ["chat"], ["login", "alice"], ["send", "general", "hi"], ["config", "path"], ["doctor"]]
)
def test_command_without_a_home_directory_ends_with_a_sentence(
    capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    assert main(arguments) == ExitCode.REFUSED
    error = capsys.readouterr().err
    assert "CHATTERBOX_HOME" in error
    assert "Internal error" not in error


@pytest.mark.parametrize("value", ["state", "./state", "~", "~bob/state"])
def test_relative_folder_for_all_files_is_refused(value: str) -> None:
    for folder in (state_folder, config_folder):
        with pytest.raises(Failure, match=r"\$CHATTERBOX_HOME must be an absolute path"):
            folder({"CHATTERBOX_HOME": value})


def test_tilde_that_no_shell_expanded_means_the_home_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert state_folder({"CHATTERBOX_HOME": "~/chat"}) == tmp_path / "chat"
