"""To-device messages in clear: only the steps of a verification, which must work before two devices have keys. Pure."""

import msgspec

from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.untrusted_json import UnreadableError, decode_json

PREFIX = "m.key.verification."


class ClearMessage(msgspec.Struct, frozen=True):
    """The part that the server looks at."""

    type: str


def require_verification(body: str) -> None:
    """Raise `bad_request` unless this is a JSON object whose `type` is one of verification.

    >>> require_verification('{"type": "m.key.verification.start", "content": {}}')
    """
    try:
        is_right = decode_json(body.encode(), ClearMessage).type.startswith(PREFIX)
    except UnreadableError:
        is_right = False
    if not is_right:
        detail = f"A message in clear must be a JSON object whose type begins with {PREFIX}"
        raise ChatError(Code.BAD_REQUEST, detail)
