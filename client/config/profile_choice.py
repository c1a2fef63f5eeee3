"""Which server is meant, and whose files belong to it: one rule for every command, and for completion."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from client.config.config_files import config_or_failure
from client.config.config_parser import CliOverrides
from client.config.config_schema import Config
from client.config.xdg_folders import state_folder
from client.store.session_file import saved_server
from client.text.server_url import DEFAULT_SERVER


@dataclass(frozen=True, slots=True)
class ProfileChoice:
    """`server` as it was written: whether it can be one is not looked at here, since that takes time."""

    server: str
    folder: Path
    config: Config


def choose_profile(named: CliOverrides, environ: Mapping[str, str]) -> ProfileChoice:
    """The server of the command line, the environment or the configuration, else that of the last login.

    Raises `Usage` for a configuration that is wrong.
    """
    config, folder = config_or_failure(environ, named), state_folder(environ)
    return ProfileChoice(config.server or saved_server(folder) or DEFAULT_SERVER, folder, config)
