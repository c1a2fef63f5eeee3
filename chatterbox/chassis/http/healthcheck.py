"""`python -m chatterbox.chassis.http.healthcheck URL [STATUS ...]`: exits 0 if the address answers 200, or a STATUS.

For containers. It imports as little as it can: it runs every few seconds, beside the service.
"""

import sys
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlsplit

DEADLINE_S = 2.0


def answers(url: str, *statuses: int) -> bool:
    """Whether the HTTP address answers with one of these statuses in time."""
    where = urlsplit(url)
    connection = HTTPConnection(where.hostname or "127.0.0.1", where.port or 80, timeout=DEADLINE_S)
    try:
        connection.request("GET", where.path or "/")
        return connection.getresponse().status in statuses
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def main() -> None:
    url, *statuses = sys.argv[1:]
    raise SystemExit(not answers(url, *(map(int, statuses) if statuses else (200,))))


if __name__ == "__main__":
    main()
