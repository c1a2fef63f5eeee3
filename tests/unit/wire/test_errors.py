"""Every error a user can meet has a meaning."""

import pytest

from chatterbox.wire.errors import MEANINGS, ChatError, Code


@pytest.mark.parametrize("code", Code)
class TestEveryCode:
    def test_has_a_status_and_one_sentence(self, code: Code) -> None:
        status, sentence, _ = MEANINGS[code]
        assert 400 <= status <= 599
        assert sentence[0].isupper()
        assert sentence.endswith(".")
        assert sentence.isprintable()

    def test_is_written_in_snake_case_as_it_is_named(self, code: Code) -> None:
        assert code.value == code.name.lower()

    def test_that_is_a_limit_or_an_outage_may_be_tried_again(self, code: Code) -> None:
        status, _, retry = MEANINGS[code]
        assert retry == (status in {429, 500, 503})


def test_a_refusal_has_its_codes_sentence_unless_it_says_more() -> None:
    assert ChatError(Code.ROOM_UNKNOWN).detail == MEANINGS[Code.ROOM_UNKNOWN].sentence
    assert ChatError(Code.ROOM_UNKNOWN, "No.").detail == "No."
    assert ChatError(Code.ROOM_UNKNOWN).status == 404
