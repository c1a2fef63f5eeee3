"""Create the containers' shared secrets: `python make_secrets.py FOLDER`.

FOLDER gets one subfolder per service, readable by that service only. Existing secrets are kept; delete a file to have
it created again. Needs only the standard library.
"""

import hashlib
import os
import secrets
import sys
from pathlib import Path
from urllib.parse import urlsplit

OWNERS = {"auth": 10001, "gateway": 10002, "history": 10003, "redis": 10004, "files": 10006}
"""The user id that each container runs as."""

CALLERS = {"auth": ("files", "gateway", "history"), "history": ("files", "gateway")}
"""Which services call which over internal HTTP."""

_CONNECT = "+auth +hello +ping +quit +client|setinfo +client|setname +client|id"
COMMANDS = {
    "auth": f"{_CONNECT} +publish",
    "gateway": f"{_CONNECT} +publish +subscribe +unsubscribe",
    "history": f"{_CONNECT} +publish +subscribe +unsubscribe",
    "files": f"{_CONNECT} +subscribe +unsubscribe",
}
"""The Redis commands that each service may run: none on keys, and only on Chatterbox's channels."""


def main() -> None:
    folder = Path(sys.argv[1])
    for name, owner in OWNERS.items():
        subfolder = folder / name
        subfolder.mkdir(mode=0o700, exist_ok=True)
        os.chown(subfolder, owner, owner)
    _make_service_keys(folder)
    for name in COMMANDS:
        _make_redis_url(folder, name)
    _make_operator_password(folder)
    _write(folder / "redis" / "users.acl", "".join(map(_line, _users(folder))), OWNERS["redis"])


def _make_service_keys(folder: Path) -> None:
    """Create a key for each service, and for the services that are called the digests of their callers' keys.

    Keys that services share, as in earlier versions, are replaced.
    """
    files = {name: folder / name / "service-key" for name in COMMANDS}
    keys = {name: file.read_text() for name, file in files.items() if file.exists()}
    if len(set(keys.values())) < len(keys):
        keys = {}
    for name, file in files.items():
        if name not in keys:
            keys[name] = secrets.token_urlsafe(32)
            _write(file, keys[name], OWNERS[name])
    for name, callers in CALLERS.items():
        digests = " ".join(f"{caller}:{_digest(keys[caller])}" for caller in callers)
        _write(folder / name / "caller-keys", digests, OWNERS[name])


def _make_redis_url(folder: Path, name: str) -> None:
    file = folder / name / "redis-url"
    if not file.exists():
        _write(file, f"redis://{name}:{secrets.token_urlsafe(32)}@redis:6379", OWNERS[name])


def _make_operator_password(folder: Path) -> None:
    """Create the operator's password, for use inside the Redis container; no service can read it."""
    file = folder / "redis" / "operator-password"
    if not file.exists():
        _write(file, secrets.token_urlsafe(32), OWNERS["redis"])


def _users(folder: Path) -> list[str]:
    """Return the lines of Redis' ACL file (redis.io, "ACL"), with hashed passwords.

    It is written at every start, so that changed rules take effect.
    """
    operator = _digest((folder / "redis" / "operator-password").read_text())
    users = ["user default reset off", f"user operator reset on #{operator} allkeys allchannels allcommands"]
    for name, commands in COMMANDS.items():
        password = urlsplit((folder / name / "redis-url").read_text()).password or ""
        users.append(f"user {name} reset on #{_digest(password)} resetchannels &chatterbox:* -@all {commands}")
    return users


def _digest(password: str) -> str:
    return hashlib.sha256(password.encode()).hexdigest()


def _line(text: str) -> str:
    return f"{text}\n"


def _write(file: Path, text: str, owner: int) -> None:
    """Write the file atomically, readable by its owner only."""
    unfinished = file.with_suffix(".new")
    unfinished.unlink(missing_ok=True)
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400)
    with os.fdopen(descriptor, "w") as opened:
        opened.write(text)
        opened.flush()
        os.fsync(descriptor)
    os.chown(unfinished, owner, owner)
    unfinished.rename(file)


if __name__ == "__main__":
    main()
