"""The client's User-Agent header, which appears in the user's list of sessions."""

import platform
import re
import sys

from chatterbox import __version__

_UNUSUAL = re.compile(r"[^A-Za-z0-9.-]+")

USER_AGENT = f"chatterbox/{__version__} ({platform.system()}; Python {sys.version_info.major}.{sys.version_info.minor})"


def login_user_agent(host: str) -> str:
    """The header of a login: it names the host, so that the user can tell sessions apart in the list.

    >>> login_user_agent("mill.example").endswith("on mill.example")
    True
    """
    name = _UNUSUAL.sub("-", host)[:40]
    return f"{USER_AGENT} on {name}" if name.strip("-.") else USER_AGENT
