"""Texts that `--help` and the manual page share: description, files, environment variables, exit codes."""

from collections.abc import Mapping

from client.failures import EXITS

DESCRIPTION = """\
Chat in the rooms of a Chatterbox server.

  chatterbox register alice          create an account (asks for a password)
  chatterbox                         open the full-screen chat in #general; F1 shows help
  chatterbox chat --plain            the same, line by line
  echo "deployed" | chatterbox send ops -
  chatterbox tail ops --json | jq -r .content
  chatterbox doctor                  diagnose connection problems
"""
FILES = {
    "$XDG_CONFIG_HOME/chatterbox/config.toml": (
        "the configuration, see `chatterbox config` (default folder: ~/.config/chatterbox)"
    ),
    "$XDG_STATE_HOME/chatterbox": (
        "sessions, the outbox, saved positions and names for completion, readable only by you (default: "
        "~/.local/state/chatterbox)"
    ),
}
"""Paths of the client's files, each with what it contains."""
VARIABLES = {
    "CHATTERBOX_SERVER": (
        "the server, unless --server is given (otherwise the configured one, then the one of the last login, then "
        "http://127.0.0.1:8000)"
    ),
    "CHATTERBOX_HOME": "one folder for configuration, sessions and outbox",
    "CHATTERBOX_CLIENT_...": "overrides a key of the configuration",
    "NO_COLOR": "any value turns colours off",
    "TERM": "`dumb` makes `chat` print plain lines",
    "HTTPS_PROXY, HTTP_PROXY": "the HTTP proxy for https:// and http:// servers; ALL_PROXY is for both",
    "NO_PROXY": "hosts, networks and patterns that are reached without a proxy",
    "SSL_CERT_FILE, SSL_CERT_DIR": "CA certificates to trust",
    "CHATTERBOX_DEBUG": "1: print a traceback for internal errors",
}
"""Environment variables that the client reads."""


def table(title: str, rows: Mapping[str, str]) -> str:
    """Format rows of two columns under a title, for `--help`."""
    width = max(map(len, rows))
    return "\n".join([f"{title}:", *(f"  {name:<{width}}  {description}" for name, description in rows.items()), ""])


def exit_codes() -> str:
    return table("exit codes", {str(int(code)): meaning for code, meaning in EXITS.items()})
