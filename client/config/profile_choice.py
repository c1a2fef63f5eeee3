"""Chooses server, state folder and profile: the same rule for every command and for completion."""

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
    """`server` is the address as written. It is not validated here, because completion must be fast."""

    server: str
    folder: Path
    config: Config


def choose_profile(overrides: CliOverrides, environ: Mapping[str, str]) -> ProfileChoice:
    """Choose the server of the command line, the environment or the configuration, else that of the last login.

    Raises `UsageError` if the configuration is invalid.
    """
    config, folder = config_or_failure(environ, overrides), state_folder(environ)
    return ProfileChoice(config.server or saved_server(folder) or DEFAULT_SERVER, folder, config)
