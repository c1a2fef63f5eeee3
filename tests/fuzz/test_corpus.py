"""The inputs kept from fuzzing break no rule. Needs no fuzzer; `python -m tests.fuzz` searches for more."""

import pytest

from tests.fuzz import corpus_store
from tests.fuzz.targets import TARGETS

DEEP = 20_000
ALWAYS = (b"", b"\0", b"\xff", b"\xed\xa0\x80", b"[" * DEEP, b'{"a":' * DEEP, b"9" * 5000, b'{"type":"move","after_ms":'
          + b"9" * 400 + b"}")  # fmt: skip


@pytest.mark.parametrize("target", TARGETS)
def test_corpus_inputs_are_accepted_or_refused_by_the_rules(target: str) -> None:
    inputs = corpus_store.load(target)
    assert inputs, "the corpus is empty"
    for data in (*ALWAYS, *inputs):
        TARGETS[target](data)
