"""Vendored from version 0.1 of the client."""

import msgspec

from tests.contract.of_0_1.frames import ServerFrame
from tests.contract.of_0_1.untrusted_json import decode_json

encode = msgspec.json.Encoder().encode


def decode_server_frame(data: bytes | str) -> ServerFrame:
    return decode_json(data, ServerFrame)
