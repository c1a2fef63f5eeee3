"""`python -m chatterbox.chassis.http.healthcheck URL [STATUS ...]`: exits 0 if URL answers 200 or a STATUS, else 1.

For container health checks. It imports as little as possible, since it runs every few seconds beside the service.
"""

import sys
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlsplit

DEADLINE_S = 2.0


def is_healthy(url: str, *statuses: int) -> bool:
    """Whether the URL answers with one of these statuses within `DEADLINE_S`."""
    parts = urlsplit(url)
    connection = HTTPConnection(parts.hostname or "127.0.0.1", parts.port or 80, timeout=DEADLINE_S)
    try:
        connection.request("GET", parts.path or "/")
        return connection.getresponse().status in statuses
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def main() -> None:
    url, *statuses = sys.argv[1:]
    raise SystemExit(not is_healthy(url, *(map(int, statuses) if statuses else (200,))))


if __name__ == "__main__":
    main()
