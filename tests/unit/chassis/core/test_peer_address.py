"""Addresses of peers as limits count them."""

import pytest

from chatterbox.chassis.core.peer_address import network, unmapped


def test_ipv6_addresses_of_one_64_network_count_as_one() -> None:
    assert network("2001:db8::1") == network("2001:db8::ffff:1:2:3")
    assert network("2001:db8::1") != network("2001:db8:0:1::1")


def test_hosts_other_than_ipv6_addresses_are_not_aggregated() -> None:
    assert network("192.0.2.1") == network("::ffff:192.0.2.1") == "192.0.2.1"
    assert network("testclient") == "testclient"


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("::FFFF:c000:207", "192.0.2.7"),
        ("2001:DB8:0:0::1", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("::1", "::1"),
        ("not:an:address", "not:an:address"),
        ("", ""),
    ],
)
def test_an_address_is_normalized_to_one_form(host: str, expected: str) -> None:
    assert unmapped(host) == expected
