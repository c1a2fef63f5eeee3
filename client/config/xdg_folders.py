"""The folders of the client (XDG Base Directory Specification 0.8). Pure: nothing is made or looked at here."""

from collections.abc import Mapping
from pathlib import Path

ALL_IN_ONE = "CHATTERBOX_HOME"
"""The variable that names one folder for everything."""


def state_folder(environ: Mapping[str, str]) -> Path:
    """The folder for what the client must remember: sessions, and messages that are not sent yet."""
    return _folder(environ, "XDG_STATE_HOME", ".local/state")


def config_folder(environ: Mapping[str, str]) -> Path:
    """The folder for what people write: `config.toml` and `themes/`."""
    return _folder(environ, "XDG_CONFIG_HOME", ".config")


def config_file(environ: Mapping[str, str]) -> Path:
    return config_folder(environ) / "config.toml"


def theme_file(environ: Mapping[str, str], name: str) -> Path:
    return config_folder(environ) / "themes" / f"{name}.toml"


def _folder(environ: Mapping[str, str], variable: str, usual: str) -> Path:
    """By the specification a path that is not absolute counts as not set."""
    all_in_one, named = Path(environ.get(ALL_IN_ONE, "")), Path(environ.get(variable, ""))
    if all_in_one.is_absolute():
        return all_in_one
    return (named if named.is_absolute() else Path.home() / usual) / "chatterbox"
