"""The limit of open files (`RLIMIT_NOFILE`), which bounds how many connections a process can hold."""

import contextlib
import resource

RESERVED = 100
"""Descriptors kept free of clients' connections: databases, log, listener, and connections to other services."""
_WANTED = (1_048_576, 65_536, 10_240)
"""Tried in this order: macOS reports an infinite hard limit, but refuses values above its own maximum."""


def target(hard: int, wanted: int = _WANTED[0]) -> int:
    """The soft limit to set under this hard limit."""
    return wanted if hard == resource.RLIM_INFINITY else min(hard, wanted)


def raise_limit() -> int:
    """Raise the soft limit of this process to the hard limit, at most 1,048,576; returns the limit in force."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for wanted in _WANTED:
        if soft == resource.RLIM_INFINITY or soft >= target(hard, wanted):
            break
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (target(hard, wanted), hard))
            break
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _WANTED[0] if soft == resource.RLIM_INFINITY else soft
