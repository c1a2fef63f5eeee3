"""The libraries of encryption are loaded when something is encrypted: other commands start as fast as before."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from client.store.session_file import SavedSession, SessionFile

_PROGRAM = """
import sys
from client.__main__ import main
try:
    main()
except SystemExit:
    pass
print("LOADED", *sorted({"vodozemac", "cryptography"} & sys.modules.keys()))
"""
_SERVER = "http://127.0.0.1:9"


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["--version"],
        ["rooms"],
        ["login", "--help"],
        ["keys", "--help"],
        ["send", "general", "hello", "--timeout", "0"],
        ["outbox"],
        ["completion", "bash"],
    ],
)
def test_command_that_encrypts_nothing_loads_no_library_of_encryption(arguments: list[str], tmp_path: Path) -> None:
    session = SavedSession(_SERVER, "ada", "x.x.x", "s", time.time() + 1000, 1000)
    SessionFile(tmp_path, _SERVER).save(session)
    environment = os.environ | {
        "CHATTERBOX_HOME": str(tmp_path),
        "CHATTERBOX_SERVER": _SERVER,
        "PYTHONPATH": str(Path(__file__).parents[4]),
    }
    done = subprocess.run(
        [sys.executable, "-P", "-c", _PROGRAM, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout.splitlines()[-1:] == ["LOADED"], done.stdout + done.stderr
