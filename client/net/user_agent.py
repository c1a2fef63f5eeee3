"""How the client names itself to servers: what a person finds in the list of their sessions."""

import platform
import sys

from chatterbox import __version__

USER_AGENT = f"chatterbox/{__version__} ({platform.system()}; Python {sys.version_info.major}.{sys.version_info.minor})"
