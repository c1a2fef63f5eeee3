"""The header of an encrypted conversation says how the other user's keys are known, as soon as that is told."""

import pytest

from client.core import notes
from client.encryption.core.trust import Trust
from client.screen.layout import header_row
from client.screen.model import update
from client.screen.model.chat_model import ChatModel


@pytest.mark.parametrize(
    ("trust", "words"),
    [
        (Trust.SEEN, "encrypted · seen since 2026-11-02"),
        (Trust.VERIFIED, "encrypted · verified"),
        (Trust.CHANGED, "encrypted · keys changed"),
    ],
)
def test_trust_that_was_told_is_in_the_header_of_the_conversation(
    monkeypatch: pytest.MonkeyPatch, trust: Trust, words: str
) -> None:
    model = ChatModel("http://127.0.0.1:8000", "@bob")
    monkeypatch.setattr(model, "is_encrypted", lambda _: True)
    update.apply(model, notes.TrustTold("Bob", trust, "2026-11-02"))
    update.apply(model, notes.TrustTold("eve", Trust.CHANGED, "2026-11-30"))
    assert header_row.encryption_facts(model) == [words]
