"""Which services may call an internal route, by a key for each service. Pure.

A service keeps only SHA-256 digests of the others' keys: after a break-in, it can't call the others in another name.
The keys are long random text, so the digests need no salt.
"""

import hmac
import re
from collections.abc import Mapping
from enum import StrEnum
from hashlib import sha256

_ENTRY = re.compile(r"(\w+):([0-9a-f]{64})")


class ServiceName(StrEnum):
    """Who calls: a service, or with auth's key the operator's commands."""

    AUTH = "auth"
    FILES = "files"
    GATEWAY = "gateway"
    HISTORY = "history"


CALLERS: dict[ServiceName, tuple[ServiceName, ...]] = {
    ServiceName.AUTH: (ServiceName.FILES, ServiceName.GATEWAY, ServiceName.HISTORY),
    ServiceName.HISTORY: (ServiceName.FILES, ServiceName.GATEWAY),
    ServiceName.FILES: (),
    ServiceName.GATEWAY: (),
}
"""Which services call which; `deploy/make_secrets.py` has the same table."""


class CallerKeys:
    """The digests of the keys with which this service may be called, and the services that have them."""

    def __init__(self, services: Mapping[str, frozenset[ServiceName]]) -> None:
        """`services` by the digest of their key, in hexadecimal."""
        self._services = services

    @classmethod
    def of(cls, keys: Mapping[ServiceName, str]) -> "CallerKeys":
        """A key for each service."""
        return cls({_digest(key): frozenset({service}) for service, key in keys.items()})

    @classmethod
    def shared(cls, key: str) -> "CallerKeys":
        """One key, with which a caller may be any service."""
        return cls({_digest(key): frozenset(ServiceName)})

    @classmethod
    def parse(cls, text: str) -> "CallerKeys":
        """Parse `SERVICE:DIGEST` entries, separated by spaces or commas; raises `ValueError`, without the text.

        >>> CallerKeys.parse(f"gateway:{'0' * 64}, history:{'1' * 64}").services() == {"gateway", "history"}
        True
        """
        services: dict[str, frozenset[ServiceName]] = {}
        for entry in text.replace(",", " ").split():
            parts = _ENTRY.fullmatch(entry)
            if parts is None or parts[1] not in set(ServiceName):
                names = ", ".join(ServiceName)
                raise ValueError(
                    f"must be SERVICE:DIGEST entries; services are {names}, digests SHA-256 in hexadecimal"
                )
            services[parts[2]] = services.get(parts[2], frozenset()) | {ServiceName(parts[1])}
        return cls(services)

    def with_key(self, service: ServiceName, key: str) -> "CallerKeys":
        """These, and `key` for `service`."""
        digest = _digest(key)
        return CallerKeys({**self._services, digest: self._services.get(digest, frozenset()) | {service}})

    @property
    def is_shared(self) -> bool:
        """Whether one key is that of several services."""
        return any(len(services) > 1 for services in self._services.values())

    def services(self) -> frozenset[ServiceName]:
        """The services that have a key."""
        return frozenset[ServiceName]().union(*self._services.values())

    def are_allowed(self, authorization: str, *allowed: ServiceName) -> bool:
        """Whether an `Authorization` header has the key of one of the services `allowed`."""
        digest = _digest(authorization.removeprefix("Bearer ")) if authorization.startswith("Bearer ") else ""
        found = [services for known, services in self._services.items() if hmac.compare_digest(known, digest)]
        return any(not services.isdisjoint(allowed) for services in found)


def caller_keys_text(keys: Mapping[ServiceName, str]) -> str:
    """The digests of these keys, as `CallerKeys.parse` reads them."""
    return " ".join(f"{service}:{_digest(key)}" for service, key in keys.items())


def _digest(key: str) -> str:
    return sha256(key.encode(errors="surrogatepass")).hexdigest()
