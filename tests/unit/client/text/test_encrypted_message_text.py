"""What stands beside, or in the place of, a message of an encrypted room."""

import msgspec
import pytest

from client.encryption.core.trust import DecryptedMessage, Irregularity, Unreadable
from client.faces.line_timeline import LineTimeline
from client.text.encryption.encrypted_message_text import notices_of
from tests.unit.client.world import message


def encrypted(**fields: object) -> DecryptedMessage:
    plain = message(1, room="@bob")
    kept = {name: getattr(plain, name) for name in plain.__struct_fields__}
    return msgspec.convert(kept | fields, DecryptedMessage)


def test_message_without_a_problem_has_no_notice() -> None:
    assert notices_of(encrypted()) == []


@pytest.mark.parametrize("reason", Unreadable)
def test_unreadable_message_is_a_notice_and_never_stands_under_a_name(reason: Unreadable) -> None:
    lines = LineTimeline().message(encrypted(content="in clear", unreadable=reason))
    assert all(line.startswith("--") for line in lines)
    assert not any(line.split(" ")[1:2] == ["bob:"] for line in lines)


def test_irregularity_is_a_notice_before_the_message() -> None:
    lines = LineTimeline().message(encrypted(irregularity=Irregularity.MISSING_BEFORE))
    assert lines[0].startswith("-- ")
    assert lines[-1].endswith("bob: message 1")


def test_deleted_message_is_no_more_unreadable() -> None:
    assert notices_of(encrypted(deleted=True, content="", unreadable=Unreadable.LOST)) == []
