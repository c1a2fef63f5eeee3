"""Which server is meant, and whose files belong to it: one rule for every command, and for completion."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from client.address import DEFAULT_SERVER
from client.home.config import Config
from client.home.files import config_or_failure
from client.home.folders import state_folder
from client.home.reading import Named
from client.session import saved_server


@dataclass(frozen=True, slots=True)
class Choice:
    """`server` as it was written: whether it can be one is not looked at here, since that takes time."""

    server: str
    folder: Path
    config: Config


def choice(named: Named, environ: Mapping[str, str]) -> Choice:
    """The server of the command line, the environment or the configuration, else that of the last login.

    Raises `Usage` for a configuration that is wrong.
    """
    config, folder = config_or_failure(environ, named), state_folder(environ)
    return Choice(config.server or saved_server(folder) or DEFAULT_SERVER, folder, config)
