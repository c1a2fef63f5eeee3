"""Why a connection failed, in a few words: DNS, TLS and socket errors for people."""

import errno
import socket
import ssl
from collections.abc import Iterator

from client.net.proxy_route import UnusableEnvironment

_REASONS = {
    errno.ECONNREFUSED: "connection refused",
    errno.ECONNRESET: "connection reset",
    errno.EHOSTUNREACH: "no route to host",
    errno.ENETUNREACH: "network unreachable",
    errno.ETIMEDOUT: "timed out",
    errno.EPIPE: "connection closed",
}

_NO_TLS = {"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST"}
"""OpenSSL's reasons for an answer that is not TLS."""


def reason(problem: BaseException) -> str:
    """Say in a few words why a connection failed, from the first exception in the chain that is recognised."""
    for cause in _causes(problem):
        if (words := _reason_of(cause)) is not None:
            return words
    return str(problem).strip().rstrip(".") or type(problem).__name__


def _causes(problem: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = problem
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__


def _reason_of(problem: BaseException) -> str | None:
    if isinstance(problem, UnusableEnvironment):
        return str(problem)
    if isinstance(problem, socket.gaierror):
        return "host not found"
    if isinstance(problem, ssl.SSLCertVerificationError):
        return f"certificate not trusted ({problem.verify_message})"
    if isinstance(problem, ssl.SSLError) and problem.reason in _NO_TLS:
        return "the server does not speak TLS (use http:// in its address)"
    if isinstance(problem, OSError) and problem.errno in _REASONS:
        return _REASONS[problem.errno]
    if isinstance(problem, TimeoutError):
        return "timed out"
    if isinstance(problem, EOFError):
        return "the connection was closed before a response arrived"
    return next((words for number, words in _REASONS.items() if f"[Errno {number}]" in str(problem)), None)
