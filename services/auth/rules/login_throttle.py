"""How fast passwords may be guessed and accounts made. Pure: time is given, nothing waits.

Failed logins are counted three ways. One account from one address: a few are free, then each costs a wait that
doubles. One account from everywhere, against guessing from many addresses: addresses that its owner logged in from
before are exempt, so that nobody can be kept out of their own account. One address for every account. No count locks
anything for good: failures are forgiven with time, and memory is bounded.
"""

import math
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv6Address
from typing import Generic, NamedTuple, TypeVar

from chatterbox.chassis.core.lru_dict import LruDict
from chatterbox.chassis.core.token_bucket import KeyedBuckets

REMEMBERED = 10_000
"""Entries of each kind that are kept; the least recently used one makes room."""

K = TypeVar("K")


class BackoffPolicy(NamedTuple):
    """`free` failures cost nothing; the n-th after those costs `2 ** n` seconds, at most `wait_max_s`.

    Every `forgive_s` seconds one failure is forgotten.
    """

    free: int
    wait_max_s: float
    forgive_s: float


@dataclass(slots=True)
class _Count:
    failures: float = 0.0
    at_s: float = 0.0
    wait_until_s: float = float("-inf")

    def forgive(self, pace: BackoffPolicy, now_s: float) -> None:
        self.failures = max(0.0, self.failures - max(0.0, now_s - self.at_s) / pace.forgive_s)
        self.at_s = now_s

    def wait(self, pace: BackoffPolicy, now_s: float) -> None:
        beyond = math.ceil(self.failures) - pace.free
        if beyond >= 0:
            self.wait_until_s = now_s + min(pace.wait_max_s, 2.0 ** min(beyond, 32))


class _Counts(Generic[K]):
    def __init__(self, pace: BackoffPolicy, most: int) -> None:
        self.pace = pace
        self._counts: LruDict[K, _Count] = LruDict(most)

    def wait_s(self, key: K, now_s: float) -> float:
        count = self._counts.get(key)
        return max(0.0, count.wait_until_s - now_s) if count else 0.0

    def reserve(self, key: K, now_s: float) -> None:
        """Past the free ones only one try at a time: many at once must not all slip through."""
        if count := self._counts.get(key):
            count.forgive(self.pace, now_s)
            count.wait(self.pace, now_s)

    def fail(self, key: K, now_s: float) -> None:
        count = self._counts.get(key) or _Count(at_s=now_s)
        count.forgive(self.pace, now_s)
        count.failures += 1
        count.wait(self.pace, now_s)
        self._counts.put(key, count)

    def release(self, key: K) -> None:
        if count := self._counts.get(key):
            count.wait_until_s = float("-inf")

    def drop(self, key: K) -> None:
        self._counts.drop(key)

    def __len__(self) -> int:
        return len(self._counts)


class LoginThrottle:
    """Says when a login may be tried, from what is told about earlier ones.

    Ask `wait_s`; if it is 0, `begin`, try the password, then tell `fail` or `succeed`. An account is any text
    that stands for it, whether it exists or not.
    """

    def __init__(
        self, one: BackoffPolicy, account: BackoffPolicy, address: BackoffPolicy, *, remembered: int = REMEMBERED
    ) -> None:
        """`one` is the pace for one account from one address."""
        self._one: _Counts[tuple[str, str]] = _Counts(one, remembered)
        self._account: _Counts[str] = _Counts(account, remembered)
        self._address: _Counts[str] = _Counts(address, remembered)
        self._trusted: LruDict[tuple[str, str], bool] = LruDict(remembered)

    def wait_s(self, account: str, address: str, now_s: float) -> float:
        """Seconds until this address may try this account; 0 for now."""
        everywhere = 0.0 if self._trusted.get((account, address)) else self._account.wait_s(account, now_s)
        one = self._one.wait_s((account, address), now_s)
        return _whole_ms(max(everywhere, one, self._address.wait_s(address, now_s)))

    def begin(self, account: str, address: str, now_s: float) -> None:
        self._one.reserve((account, address), now_s)
        self._account.reserve(account, now_s)
        self._address.reserve(address, now_s)

    def fail(self, account: str, address: str, now_s: float) -> None:
        self._one.fail((account, address), now_s)
        self._account.fail(account, now_s)
        self._address.fail(address, now_s)

    def succeed(self, account: str, address: str) -> None:
        """Forget this address's failures for this account, not those for others: it may guess with one of its own."""
        self._one.drop((account, address))
        self._account.release(account)
        self._address.release(address)
        self._trusted.put((account, address), True)

    def __len__(self) -> int:
        return len(self._one) + len(self._account) + len(self._address)


class AddressRateLimit:
    """Allows each address `burst` actions at once and `per_s` actions per second in the long run."""

    def __init__(self, burst: int, per_s: float, *, remembered: int = REMEMBERED) -> None:
        self._buckets: KeyedBuckets[str] = KeyedBuckets(per_s, burst, limit=remembered)

    def take(self, address: str, now_s: float) -> float:
        """Count an action: 0.0 if it is allowed, else the seconds until one is, rounded up to milliseconds."""
        return _whole_ms(self._buckets.take(address, now_s))


def _whole_ms(seconds: float) -> float:
    """Rounded up, so that whoever waits for it is not early."""
    return math.ceil(seconds * 1000) / 1000


def network(host: str) -> str:
    """What counts as one address: an IPv4 address, or an IPv6 /64, which one customer has whole.

    >>> network("192.0.2.7"), network("2001:db8::1"), network("::ffff:192.0.2.7")
    ('192.0.2.7', '2001:db8::/64', '192.0.2.7')
    """
    try:
        address = IPv6Address(host)
    except AddressValueError:
        return host
    if address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return f"{IPv6Address(int(address) >> 64 << 64)}/64"
