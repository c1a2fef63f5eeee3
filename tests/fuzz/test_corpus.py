"""What the fuzzer found worth keeping breaks no rule. Needs no fuzzer: `python -m tests.fuzz` finds more."""

import pytest

from tests.fuzz import kept
from tests.fuzz.targets import TARGETS

DEEP = 20_000
ALWAYS = (b"", b"\0", b"\xff", b"\xed\xa0\x80", b"[" * DEEP, b'{"a":' * DEEP, b"9" * 5000, b'{"type":"move","after_ms":'
          + b"9" * 400 + b"}")  # fmt: skip


@pytest.mark.parametrize("target", TARGETS)
def test_inputs_of_the_corpus_are_taken_or_refused(target: str) -> None:
    inputs = kept.load(target)
    assert inputs, "the corpus is empty"
    for data in (*ALWAYS, *inputs):
        TARGETS[target](data)
