"""Addresses of peers as limits count them, and which peers are trusted proxies. Pure."""

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

_EVERYONE = "*"


def unmapped(host: str) -> str:
    """An IPv4-mapped IPv6 address (RFC 4291 section 2.5.5.2) as IPv4, as listening on `::` reports IPv4 peers.

    Any other IPv6 address loses its zone and gets its canonical form (RFC 5952); any other text is returned as it is.

    >>> unmapped("::ffff:192.0.2.7"), unmapped("2001:DB8:0::1"), unmapped("fe80::1%eth0"), unmapped("192.0.2.7")
    ('192.0.2.7', '2001:db8::1', 'fe80::1', '192.0.2.7')
    """
    if ":" not in host:
        return host
    try:
        address = IPv6Address(host.partition("%")[0])
    except ValueError:
        return host
    return str(address.ipv4_mapped or address)


def network(host: str) -> str:
    """The address that limits count by: an IPv4 address, or the /64 of an IPv6 address, which one customer owns.

    >>> network("192.0.2.7"), network("2001:db8::1"), network("::ffff:192.0.2.7")
    ('192.0.2.7', '2001:db8::/64', '192.0.2.7')
    """
    host = unmapped(host)
    if ":" not in host:
        return host
    try:
        address = IPv6Address(host)
    except ValueError:
        return host
    return f"{IPv6Address(int(address) >> 64 << 64)}/64"


class TrustedProxies:
    """The proxies whose `X-Forwarded-For` is trusted.

    `addresses` are addresses and networks separated by commas, or `*` for every peer; raises `ValueError` for others.
    """

    def __init__(self, addresses: str = "") -> None:
        entries = [entry for item in addresses.split(",") if (entry := item.strip())]
        self._everyone = _EVERYONE in entries
        self._networks = [_network(entry) for entry in entries if entry != _EVERYONE]
        self.trusts = lru_cache(maxsize=4096)(self._trusts)

    def __bool__(self) -> bool:
        return self._everyone or bool(self._networks)

    def _trusts(self, host: str) -> bool:
        """Whether the peer with this address is a trusted proxy."""
        if self._everyone:
            return True
        try:
            address = ip_address(unmapped(host))
        except ValueError:
            return False
        return any(address in network for network in self._networks)

    def client(self, peer: str, forwarded_for: Iterable[str]) -> str:
        """The client's address, from the peer's and the values of `X-Forwarded-For` that it sent.

        Each proxy appends the address it was called from, so the last address that is no trusted proxy is the client.
        If every peer is trusted, it is the first one. The peer itself if it is not trusted or no address is readable.
        """
        if not self.trusts(peer):
            return peer
        hops = [host for value in forwarded_for for item in value.split(",") if (host := _without_port(item.strip()))]
        for host in hops if self._everyone else reversed(hops):
            try:
                address = str(ip_address(unmapped(host)))
            except ValueError:
                return peer
            if self._everyone or not self.trusts(address):
                return address
        return unmapped(hops[0]) if hops else peer


def _network(entry: str) -> IPv4Network | IPv6Network:
    try:
        network = ip_network(entry)
    except ValueError as problem:
        raise ValueError(f"{problem}; write addresses or networks such as 192.0.2.1, 10.0.0.0/8 or ::1") from None
    mapped = network.network_address.ipv4_mapped if isinstance(network, IPv6Network) else None
    return IPv4Network((mapped, network.prefixlen - 96)) if mapped and network.prefixlen >= 96 else network


def _without_port(hop: str) -> str:
    """The address of `192.0.2.1:80`, `[2001:db8::1]:80` or either without a port."""
    if hop.startswith("["):
        return hop[1:].partition("]")[0]
    return hop.partition(":")[0] if hop.count(":") == 1 else hop
