"""Why a session ended, in sentences for people."""

from chatterbox.wire.close_codes import SENTENCES
from chatterbox.wire.errors import MEANINGS
from client.text.session_ended import BY_CLOSE_CODE, BY_ERROR_CODE


def test_every_wire_code_that_requires_a_login_has_a_sentence_for_people() -> None:
    closes = {code for code, sentence in SENTENCES.items() if "log in" in sentence}
    errors = {code for code, meaning in MEANINGS.items() if "log in" in meaning.sentence}
    assert (closes, errors) == (set(BY_CLOSE_CODE), set(BY_ERROR_CODE))


def test_session_end_sentences_mention_neither_tokens_nor_commands() -> None:
    for sentence in (*BY_CLOSE_CODE.values(), *BY_ERROR_CODE.values()):
        assert "token" not in sentence
        assert "log in" not in sentence.casefold()
