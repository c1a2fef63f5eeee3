"""Messages of ours against libolm, the implementation before vodozemac, in both directions."""

import json
from pathlib import Path

import pytest

from tests.interop import libolm
from tests.interop.meeting import UID
from tests.interop.olm_machine import NotInstalledError
from tests.support.encryption.model_device import ModelDevice, OutboundSession
from tests.support.engine import skip_for_lack

TEXTS = ["plain", "Grüße, 漢字, 🦀", "two\nlines", "x" * 4000]


@pytest.fixture(scope="module")
def python(request: pytest.FixtureRequest) -> Path:
    try:
        return libolm.install()
    except NotInstalledError as problem:
        skip_for_lack(request.config, f"the test with libolm: {problem}")


def test_libolm_and_we_read_each_others_messages(python: Path) -> None:
    device = ModelDevice(1)
    session = OutboundSession(device, UID)
    one_time_key = next(iter(device.one_time_keys(1).values()))
    answer = libolm.exchange(
        python,
        {
            "session_key": session.key,
            "messages": [session.ciphertext({"b": text}) for text in TEXTS],
            "curve25519": device.curve,
            "one_time_key": one_time_key.key,
            "olm_text": json.dumps({"type": "m.dummy"}),
            "texts": [json.dumps({"type": "cb.text", "content": {"b": text}}) for text in TEXTS],
        },
    )
    assert [json.loads(text)["content"]["b"] for text in answer["read"]] == TEXTS
    opened = device.olm_decrypt(answer["curve25519"], answer["olm"]["type"], answer["olm"]["body"])
    assert opened == {"type": "m.dummy"}
    room_key = {"session_id": answer["session"], "session_key": answer["session_key"]}
    device.accept_room_key({"type": "m.room_key", "content": room_key})
    read = [device.decrypt(answer["session"], message)["content"]["b"] for message in answer["messages"]]
    assert read == TEXTS
