"""The upgrade request, by RFC 6455 section 4.2.1 and its example."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.utils import accept_key

from services.gateway.core.upgrade_request import BadUpgradeError, accept_header

KEY = (b"sec-websocket-key", b"dGhlIHNhbXBsZSBub25jZQ==")
VERSION = (b"sec-websocket-version", b"13")


def test_accept_header_matches_the_example_of_the_rfc() -> None:
    assert accept_header("GET", "1.1", [KEY, VERSION]) == b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


@given(st.binary(min_size=16, max_size=16))
def test_accept_header_matches_another_implementation_for_every_key(key: bytes) -> None:
    text = base64.b64encode(key)
    assert accept_header("GET", "1.1", [(b"sec-websocket-key", text), VERSION]).decode() == accept_key(text.decode())


def test_other_headers_of_the_upgrade_request_are_ignored() -> None:
    others = [(b"host", b"chat"), (b"origin", b"https://chat"), (b"cookie", b"a"), (b"cookie", b"b")]
    assert accept_header("GET", "1.1", [*others, KEY, VERSION, (b"content-length", b"0")])


@pytest.mark.parametrize(
    ("method", "http_version", "headers", "status", "reason"),
    [
        ("POST", "1.1", [KEY, VERSION], 405, "GET"),
        ("GET", "1.0", [KEY, VERSION], 505, "HTTP/1.1"),
        ("GET", "1.1", [KEY], 426, "Sec-WebSocket-Version"),
        ("GET", "1.1", [KEY, (b"sec-websocket-version", b"8")], 426, "13"),
        ("GET", "1.1", [VERSION], 400, "Sec-WebSocket-Key"),
        ("GET", "1.1", [(KEY[0], b"dGhlIHNhbXBsZSBub25jZQ"), VERSION], 400, "base64"),
        ("GET", "1.1", [(KEY[0], b"dGhlIHNhbXBsZQ=="), VERSION], 400, "16 bytes"),
        ("GET", "1.1", [(KEY[0], b"dGhl\xff"), VERSION], 400, "base64"),
        ("GET", "1.1", [KEY, KEY, VERSION], 400, "Duplicate"),
        ("GET", "1.1", [KEY, VERSION, VERSION], 400, "Duplicate"),
        ("GET", "1.1", [KEY, VERSION, (b"content-length", b"5")], 400, "body"),
        ("GET", "1.1", [KEY, VERSION, (b"transfer-encoding", b"chunked")], 400, "body"),
    ],
)
def test_invalid_upgrade_request_is_refused_with_a_reason(
    method: str, http_version: str, headers: list[tuple[bytes, bytes]], status: int, reason: str
) -> None:
    with pytest.raises(BadUpgradeError, match=reason) as refused:
        accept_header(method, http_version, headers)
    assert refused.value.status == status


def test_refusal_of_an_upgrade_names_the_supported_version_or_method() -> None:
    with pytest.raises(BadUpgradeError) as refused:
        accept_header("GET", "1.1", [KEY])
    assert refused.value.headers == {"Sec-WebSocket-Version": "13"}
    with pytest.raises(BadUpgradeError) as refused:
        accept_header("PUT", "1.1", [KEY, VERSION])
    assert refused.value.headers == {"Allow": "GET"}
