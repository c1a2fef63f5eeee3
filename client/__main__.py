"""Entry point of `chatterbox`: turns failures into an error message and an exit code."""

import os
import sys
import traceback
from contextlib import suppress
from pathlib import Path

from client.failures import ExitCode, Failure
from client.text.sanitize import inert


def main(arguments: list[str] | None = None) -> int:
    """Run a command and return its exit code. Raises only `SystemExit` (from `--help` and wrong usage)."""
    try:
        _repair_streams()
        _prefer_terminal_size()
        return _run(arguments)
    except Failure as failure:
        if str(failure):
            _print_error(str(failure))
        return failure.exit
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        _discard_output()
        return ExitCode.OK
    except Exception as bug:  # noqa: BLE001 - the last place to catch it
        return _report_bug(bug)


def _run(arguments: list[str] | None) -> int:
    # Imports are inside `main`'s try block, so that Ctrl-C during them prints no traceback either.
    if "_ARGCOMPLETE" in os.environ:
        from client.cli.completion import complete

        complete(os.environ)
    from client.cli.parser import create_parser

    parsed = create_parser().parse_args(arguments)
    from client.cli.dispatch import run  # after parsing: `--version` and `--help` need none of it

    return run(parsed, os.environ)


def _report_bug(bug: Exception) -> ExitCode:
    _print_error(f"Internal error: {type(bug).__name__}: {bug} (set CHATTERBOX_DEBUG=1 for a traceback)")
    if os.environ.get("CHATTERBOX_DEBUG") == "1":
        traceback.print_exception(bug)
    return ExitCode.BUG


def _print_error(message: str) -> None:
    with suppress(OSError):
        from client.output import print_status

        print_status(f"chatterbox: {inert(message)}")


def _repair_streams() -> None:
    """Open closed standard streams on the null device, and print `?` for characters that a terminal can't encode."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode))  # noqa: SIM115 - open until exit
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="replace")


def _prefer_terminal_size() -> None:
    """Ignore exported COLUMNS and LINES if a terminal reports its size: they don't follow when it is resized."""
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            if all(os.get_terminal_size(stream.fileno())):
                for name in ("COLUMNS", "LINES"):
                    os.environ.pop(name, None)
                return


def _discard_output() -> None:
    """Redirect stdout to the null device: its reader is gone, and the interpreter would report that at exit."""
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    sys.exit(main())
