"""An exchange with an OlmMachine that was recorded once by `python -m tests.interop`."""

import json
from pathlib import Path
from typing import Any

RECORDED = Path(__file__).parent / "recorded" / "olm_machine.json"
PICKLE_KEY = bytes(32)
"""The recorded account protects nothing."""


def load() -> dict[str, Any]:
    record: dict[str, Any] = json.loads(RECORDED.read_text())
    return record
