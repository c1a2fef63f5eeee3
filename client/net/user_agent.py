"""The client's User-Agent header, which appears in the user's list of sessions."""

import platform
import sys

from chatterbox import __version__

USER_AGENT = f"chatterbox/{__version__} ({platform.system()}; Python {sys.version_info.major}.{sys.version_info.minor})"
