"""Names that a server answers to, and origins of web pages."""

import pytest

from chatterbox.chassis.core.host_names import AllowedHosts, host_port, is_same_origin, normal_origin

HOSTS = AllowedHosts(["Chat.Example.org", " other.example.org ", "", "machine"])


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "localhost:8000",
        "LOCALHOST",
        "chat.localhost:8000",
        "127.0.0.1:8000",
        "192.0.2.7",
        "[::1]:8000",
        "[2001:db8::1]",
        "chat.example.org",
        "CHAT.example.org:443",
        "chat.example.org.",
        "other.example.org",
        "machine:8000",
    ],
)
def test_loopback_addresses_and_listed_names_are_allowed(host: str) -> None:
    assert HOSTS.allows(host)


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8000",
        "chat.example.org.evil.example",
        "evil-chat.example.org",
        "127.0.0.1.evil.example",
        "evillocalhost",
        "localhost:evil",
        "localhost:99999",
        "localhost@evil.example",
        "[::1]evil",
        "[::1",
        "",
        "a b",
    ],
)
def test_hosts_outside_of_the_allowed_names_are_refused(host: str) -> None:
    assert not HOSTS.allows(host)


def test_an_asterisk_allows_every_name() -> None:
    assert AllowedHosts(["*"]).allows("any.example:8000")


@pytest.mark.parametrize("name", ["https://chat.example.org", "chat.example.org:443", "chat.example.org/", "a b", "-a"])
def test_an_allowed_host_must_be_a_name(name: str) -> None:
    with pytest.raises(ValueError, match="is not a host name"):
        AllowedHosts([name])


@pytest.mark.parametrize("host", ["a:b", "a:1:2", "user@a", "a/b", "[::1]:x", "a:65536", "a\x00"])
def test_a_malformed_host_header_is_an_error(host: str) -> None:
    with pytest.raises(ValueError, match="Host"):
        host_port(host)


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("https://name", "name:443"),
        ("https://name:443", "name"),
        ("http://name", "name:80"),
        ("https://name", "name"),
        ("http://name", "name"),
        ("https://Name", "name"),
        ("HTTPS://name", "NAME"),
        ("http://name:8000", "name:8000"),
        ("http://[::1]:8000", "[::1]:8000"),
    ],
)
def test_origin_and_host_are_compared_without_default_ports_and_case(origin: str, host: str) -> None:
    assert is_same_origin(origin, host)


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("https://name", "name:80"),
        ("http://name", "name:443"),
        ("http://name", "name:8000"),
        ("http://name:8000", "name"),
        ("http://name.evil", "name"),
        ("null", "name"),
        ("null", "null"),
        ("file://", ""),
        ("ftp://name", "name"),
        ("", ""),
    ],
)
def test_another_scheme_port_or_name_is_another_origin(origin: str, host: str) -> None:
    assert not is_same_origin(origin, host)


def test_normalizing_leaves_text_that_is_not_a_web_origin_unchanged() -> None:
    assert [normal_origin(text) for text in ("null", "ftp://a", "http://a b")] == ["null", "ftp://a", "http://a b"]
