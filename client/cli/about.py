"""What the program says of itself, above and below the list of commands: in `--help` and on the manual page."""

from collections.abc import Mapping

from client.failures import EXITS

ABOUT = """\
Talk in the rooms of a Chatterbox server.

  chatterbox register alice          make an account (the password is asked for)
  chatterbox                         talk in #general, on the full screen; F1 there lists what can be done
  chatterbox chat --plain            the same in lines
  echo "deployed" | chatterbox send ops -
  chatterbox tail ops --json | jq -r .content
  chatterbox doctor                  what is in the way of all that, if something is
"""
FILES = {
    "$XDG_CONFIG_HOME/chatterbox/config.toml": "(else ~/.config/...) is the configuration; see `chatterbox config`.",
    "$XDG_STATE_HOME/chatterbox": (
        "(else ~/.local/state/chatterbox) keeps the session, the outbox, saved positions and names for completion, "
        "for your eyes only."
    ),
}
"""What is kept where."""
VARIABLES = {
    "CHATTERBOX_SERVER": (
        "the server meant without --server (else the configured one, else the one of the last login, else "
        "http://127.0.0.1:8000)"
    ),
    "CHATTERBOX_HOME": "one folder for configuration, session and outbox",
    "CHATTERBOX_CLIENT_...": "other keys of the configuration",
    "NO_COLOR": "any value: no colours",
    "TERM": "dumb: `chat` is in plain lines",
    "SSL_CERT_FILE": "certificates to trust",
    "CHATTERBOX_DEBUG": "1: say more about mistakes",
}
"""What the environment can say. Both tables are shown by `--help` and the manual page."""


def table(title: str, rows: Mapping[str, str]) -> str:
    """Rows of two columns under a title, as help shows them."""
    widest = max(map(len, rows))
    return "\n".join([f"{title}:", *(f"  {name:<{widest}}  {about}" for name, about in rows.items()), ""])


def exits() -> str:
    """What each exit code means."""
    return table("exit codes", {str(int(code)): about for code, about in EXITS.items()})
