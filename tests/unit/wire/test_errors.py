"""Error codes and their sentences."""

import pytest

from chatterbox.wire.errors import MEANINGS, ChatError, Code


@pytest.mark.parametrize("code", Code)
class TestEveryCode:
    def test_an_error_code_has_a_status_and_a_sentence(self, code: Code) -> None:
        status, sentence, _ = MEANINGS[code]
        assert 400 <= status <= 599
        assert sentence[0].isupper()
        assert sentence.endswith(".")
        assert sentence.isprintable()

    def test_an_error_code_is_its_name_in_snake_case(self, code: Code) -> None:
        assert code.value == code.name.lower()

    def test_only_limits_and_outages_may_be_retried(self, code: Code) -> None:
        status, _, retry = MEANINGS[code]
        assert retry == (status in {429, 500, 503})


def test_the_detail_of_a_refusal_defaults_to_the_codes_sentence() -> None:
    assert ChatError(Code.ROOM_UNKNOWN).detail == MEANINGS[Code.ROOM_UNKNOWN].sentence
    assert ChatError(Code.ROOM_UNKNOWN, "No.").detail == "No."
    assert ChatError(Code.ROOM_UNKNOWN).status == 404
