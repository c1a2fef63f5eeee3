"""Server addresses: normalised, validated and corrected."""

import subprocess
import sys
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client.failures import UsageError
from client.text import server_url
from client.text.server_url import likely_address, server_address


class TestAddresses:
    @pytest.mark.parametrize(
        ("typed", "meant"),
        [
            ("http://127.0.0.1:8000/", "http://127.0.0.1:8000"),
            (" HTTPS://Chat.Example.org ", "https://chat.example.org"),
            ("https://example.org/chat/", "https://example.org/chat"),
            ("http://[::1]:8000", "http://[::1]:8000"),
        ],
    )
    def test_server_address_is_normalised(self, typed: str, meant: str) -> None:
        assert server_address(typed) == meant

    @pytest.mark.parametrize(
        "typed",
        ["", "chat.example.org", "ftp://x", "http://", "http://a b", "http://u:p@host", "http://[", "http://a]b",
         "http://host:port", "http://host:65536", "http://host:0", "http://:80", "http://ä..", "http://xn--",
         "http://a..b", f"http://{'a' * 64}", "http://a\x7f", "http://host?q=1", "http://host#f",
         f"http://{'a' * 70_000}"],
        ids=lambda typed: typed[:20],
    )  # fmt: skip
    def test_invalid_server_address_is_refused_with_an_example(self, typed: str) -> None:
        with pytest.raises(UsageError, match="Invalid server address"):
            server_address(typed)

    @pytest.mark.parametrize(
        ("typed", "meant"),
        [
            ("Chat.Example.org:8443", "https://chat.example.org:8443"),
            ("127.0.0.1:8000", "http://127.0.0.1:8000"),
            ("localhost", "http://localhost"),
            ("localhost.example.org", "https://localhost.example.org"),
            ("[::1]:8000", "http://[::1]:8000"),
            ("ws://x/ws", "http://x/ws"),
            ("wss://x", "https://x"),
            ("htp://x", "http://x"),
            ("htps://x", "https://x"),
            ("", None),
            ("a b", None),
        ],
    )
    def test_invalid_server_address_is_corrected(self, typed: str, meant: str | None) -> None:
        assert likely_address(typed) == meant


class TestPlainAddresses:
    @given(st.from_regex(server_url._PLAIN, fullmatch=True).filter(lambda plain: len(plain) <= 255))
    def test_plain_addresses_are_all_valid(self, plain: str) -> None:
        with patch.object(server_url, "_PLAIN") as never:
            never.fullmatch.return_value = None
            assert server_address(plain) == plain

    @pytest.mark.parametrize("plain", ["http://127.0.0.1:8000", "https://chat.example.org", "http://localhost/chat"])
    def test_plain_address_is_accepted_without_importing_httpx(self, plain: str) -> None:
        asks = (
            f"import client.net.http_api; from client.text.server_url import server_address; server_address({plain!r})"
        )
        subprocess.run([sys.executable, "-c", f"{asks}; import sys; assert 'httpx' not in sys.modules"], check=True)
