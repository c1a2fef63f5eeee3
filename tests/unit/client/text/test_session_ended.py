"""Why a login is good no more, as people are told it."""

from chatterbox.wire.close_codes import SENTENCES
from chatterbox.wire.errors import MEANINGS
from client.text.session_ended import BY_CLOSE_CODE, BY_ERROR_CODE


def test_every_sentence_of_the_wire_that_sends_people_to_log_in_has_one_for_people() -> None:
    closes = {code for code, sentence in SENTENCES.items() if "log in" in sentence}
    errors = {code for code, meaning in MEANINGS.items() if "log in" in meaning.sentence}
    assert (closes, errors) == (set(BY_CLOSE_CODE), set(BY_ERROR_CODE))


def test_they_know_no_tokens_and_leave_the_command_to_who_knows_it() -> None:
    for sentence in (*BY_CLOSE_CODE.values(), *BY_ERROR_CODE.values()):
        assert "token" not in sentence
        assert "log in" not in sentence.casefold()
