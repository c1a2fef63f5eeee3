"""Paths of the client's files, by the XDG Base Directory Specification 0.8. Pure: it does not touch the disk."""

from collections.abc import Mapping
from pathlib import Path

from client.failures import Failure

ALL_IN_ONE = "CHATTERBOX_HOME"
"""The variable that names one folder for all files."""


def state_folder(environ: Mapping[str, str]) -> Path:
    """The folder for sessions, the outbox and caches."""
    return _folder(environ, "XDG_STATE_HOME", ".local/state")


def config_folder(environ: Mapping[str, str]) -> Path:
    """The folder for files that the user writes: `config.toml` and `themes/`."""
    return _folder(environ, "XDG_CONFIG_HOME", ".config")


def config_file(environ: Mapping[str, str]) -> Path:
    return config_folder(environ) / "config.toml"


def theme_file(environ: Mapping[str, str], name: str) -> Path:
    return config_folder(environ) / "themes" / f"{name}.toml"


def _folder(environ: Mapping[str, str], variable: str, default: str) -> Path:
    """A relative path in an XDG variable counts as unset, as the specification requires. In ours, it is refused."""
    base = Path(environ.get(variable, ""))
    if environ.get(ALL_IN_ONE):
        return _all_in_one(environ[ALL_IN_ONE])
    return (base if base.is_absolute() else _home() / default) / "chatterbox"


def _all_in_one(value: str) -> Path:
    folder = _home() / value[2:] if value.startswith("~/") else Path(value)  # ~ where no shell has expanded it
    if not folder.is_absolute():
        raise Failure(f"${ALL_IN_ONE} must be an absolute path, not {value!r}.")
    return folder


def _home() -> Path:
    """The home directory; raises `Failure` if the user has none."""
    try:
        home = Path.home()
    except RuntimeError:  # neither HOME nor an entry in the user database
        home = Path()
    if not home.is_absolute():
        why = "$HOME is missing or relative"
        raise Failure(f"No home directory found ({why}). To use another folder, set ${ALL_IN_ONE}.")
    return home
