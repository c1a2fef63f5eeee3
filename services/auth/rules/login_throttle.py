"""Login throttle (backoff after wrong passwords) and rate limits. Pure: the caller passes the time.

Failed logins are counted per account and address: a few are free, then each adds a wait, which doubles. They are also
counted per account over all addresses, against guessing from many addresses; addresses from which the account has
logged in before are exempt, so that no attacker can lock out the owner. And they are counted per address over all
accounts. An attempt counts as failed from its start until its outcome is known. No counter locks anything permanently:
failures are forgiven over time, and memory is bounded.
"""

import math
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

from chatterbox.chassis.core.lru_dict import LruDict
from chatterbox.chassis.core.rate_limiter import REMEMBERED, RateLimiter, ceil_ms
from chatterbox.wire.rate_bounds import Rate

K = TypeVar("K")


class BackoffPolicy(NamedTuple):
    """`free` failures add no wait; the n-th failure after those adds `2 ** n` seconds, at most `wait_max_s`.

    One failure is forgotten every `forgive_s` seconds.
    """

    free: int
    wait_max_s: float
    forgive_s: float


@dataclass(slots=True)
class _Failures:
    count: float = 0.0
    at_s: float = 0.0
    wait_until_s: float = float("-inf")
    pending: int = 0
    """Attempts whose outcome is not known yet."""

    def forgive(self, policy: BackoffPolicy, now_s: float) -> None:
        self.count = max(0.0, self.count - max(0.0, now_s - self.at_s) / policy.forgive_s)
        self.at_s = now_s

    def record(self, policy: BackoffPolicy, now_s: float) -> None:
        self.forgive(policy, now_s)
        self.count += 1
        excess = math.ceil(self.count) - policy.free
        if excess >= 0:
            self.wait_until_s = now_s + min(policy.wait_max_s, 2.0 ** min(excess, 32))


class _Backoff(Generic[K]):
    """Failures and pending attempts per key, and the wait that follows from them."""

    def __init__(self, policy: BackoffPolicy, limit: int) -> None:
        self._policy = policy
        self._failures: LruDict[K, _Failures] = LruDict(limit)

    def wait_s(self, key: K, now_s: float) -> float:
        failures = self._failures.get(key)
        return max(0.0, failures.wait_until_s - now_s) if failures else 0.0

    def is_full(self, key: K, now_s: float) -> bool:
        """Whether one more attempt would exceed the free failures if every pending one failed.

        When they are used up anyway, one attempt may be pending.
        """
        failures = self._failures.get(key)
        if failures is None or not failures.pending:
            return False
        failures.forgive(self._policy, now_s)
        return math.ceil(failures.count) + failures.pending >= self._policy.free

    def begin(self, key: K, now_s: float) -> None:
        failures = self._failures.get(key)
        if failures is None:
            failures = _Failures(at_s=now_s)
            self._failures.put(key, failures)
        failures.pending += 1

    def fail(self, key: K, now_s: float) -> None:
        failures = self._failures.get(key) or _Failures(at_s=now_s)  # evicted meanwhile
        failures.pending = max(0, failures.pending - 1)
        failures.record(self._policy, now_s)
        self._failures.put(key, failures)

    def withdraw(self, key: K) -> None:
        """End a pending attempt that did not fail."""
        if failures := self._failures.get(key):
            failures.pending = max(0, failures.pending - 1)
            self._drop_if_empty(key, failures)

    def clear(self, key: K) -> None:
        """Forget the failures, not the pending attempts."""
        if failures := self._failures.get(key):
            failures.count, failures.wait_until_s = 0.0, float("-inf")
            self._drop_if_empty(key, failures)

    def _drop_if_empty(self, key: K, failures: _Failures) -> None:
        if not failures.pending and not failures.count:
            self._failures.drop(key)

    def __len__(self) -> int:
        return len(self._failures)


class LoginThrottle:
    """Decides when a login may be attempted, from the results of earlier attempts.

    Call `wait_s` and `must_await_outcome`. If the first returns 0 and the second False, call `begin`, check the
    password, then call `fail`, `succeed` or `withdraw`. `account` is any text that identifies the account, whether it
    exists or not.
    """

    def __init__(
        self,
        account_from_address: BackoffPolicy,
        account: BackoffPolicy,
        address: BackoffPolicy,
        *,
        remembered: int = REMEMBERED,
    ) -> None:
        self._account_from_address: _Backoff[tuple[str, str]] = _Backoff(account_from_address, remembered)
        self._account: _Backoff[str] = _Backoff(account, remembered)
        self._address: _Backoff[str] = _Backoff(address, remembered)
        self._trusted: LruDict[tuple[str, str], bool] = LruDict(remembered)

    def wait_s(self, account: str, address: str, now_s: float) -> float:
        """Seconds until this address may try this account; 0 if it may now."""
        from_all = 0.0 if self._trusted.get((account, address)) else self._account.wait_s(account, now_s)
        from_here = self._account_from_address.wait_s((account, address), now_s)
        return ceil_ms(max(from_all, from_here, self._address.wait_s(address, now_s)))

    def must_await_outcome(self, account: str, address: str, now_s: float) -> bool:
        """Whether the next attempt must wait until the outcome of a pending one is known.

        A pending attempt counts as failed, or all guesses that are sent at once would be free.
        """
        return (
            self._account_from_address.is_full((account, address), now_s)
            or self._address.is_full(address, now_s)
            or (not self._trusted.get((account, address)) and self._account.is_full(account, now_s))
        )

    def begin(self, account: str, address: str, now_s: float) -> None:
        """An attempt starts; it is pending until its outcome is reported."""
        self._account_from_address.begin((account, address), now_s)
        self._account.begin(account, now_s)
        self._address.begin(address, now_s)

    def fail(self, account: str, address: str, now_s: float) -> None:
        """The password was wrong."""
        self._account_from_address.fail((account, address), now_s)
        self._account.fail(account, now_s)
        self._address.fail(address, now_s)

    def succeed(self, account: str, address: str) -> None:
        """The password was right: forget the failures of this address for this account.

        The address's failures for other accounts stay: an attacker may have an account too.
        """
        self.withdraw(account, address)
        self._account_from_address.clear((account, address))
        self._trusted.put((account, address), True)

    def withdraw(self, account: str, address: str) -> None:
        """The password was not checked."""
        self._account_from_address.withdraw((account, address))
        self._account.withdraw(account)
        self._address.withdraw(address)

    def __len__(self) -> int:
        return len(self._account_from_address) + len(self._account) + len(self._address)


class LoginRate:
    """Limits logins per account and per address whatever their outcome: right passwords cost as much as wrong ones."""

    def __init__(self, account: Rate, address: Rate, *, remembered: int = REMEMBERED) -> None:
        self._accounts: RateLimiter[str] = RateLimiter(account, remembered=remembered)
        self._addresses: RateLimiter[str] = RateLimiter(address, remembered=remembered)

    def wait_s(self, account: str, address: str, now_s: float) -> float:
        """Seconds until this address may log in to this account; 0 if it may now. Counts nothing."""
        return max(self._accounts.wait_s(account, now_s), self._addresses.wait_s(address, now_s))

    def count(self, account: str, address: str, now_s: float) -> None:
        """Count a login that was allowed."""
        self._accounts.take(account, now_s)
        self._addresses.take(address, now_s)

    def __str__(self) -> str:
        return f"{self._accounts} for one account, {self._addresses} from one address"
