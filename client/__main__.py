"""The command `chatterbox`: the one place where failures become sentences and exit codes."""

import os
import sys
import traceback
from contextlib import suppress
from pathlib import Path

from client.failures import ExitCode, Failure
from client.text.sanitize import inert


def main(arguments: list[str] | None = None) -> int:
    """Run a command and return its exit code. Nothing but `SystemExit` (from --help and wrong usage) is raised."""
    try:
        _mend_streams()
        return _run(arguments)
    except Failure as failure:
        if str(failure):
            _say(str(failure))
        return failure.exit
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        _close_output()
        return ExitCode.OK
    except Exception as bug:  # noqa: BLE001 - the last place to catch it
        return _mistake(bug)


def _run(arguments: list[str] | None) -> int:
    typed = sys.argv[1:] if arguments is None else arguments
    from client.cli.shells import ASKED  # only here: Ctrl-C while all that is imported must be quiet, too

    if typed[:1] == [ASKED]:
        from client.cli.completion import answer

        return answer(typed[1:], os.environ)
    from client.cli.dispatch import run
    from client.cli.parser import parser

    return run(parser().parse_args(arguments), os.environ)


def _mistake(bug: Exception) -> ExitCode:
    _say(f"a mistake in this program, sorry: {type(bug).__name__}: {bug} (CHATTERBOX_DEBUG=1 shows more)")
    if os.environ.get("CHATTERBOX_DEBUG") == "1":
        traceback.print_exception(bug)
    return ExitCode.BUG


def _say(sentence: str) -> None:
    with suppress(OSError):
        from client.output import print_status

        print_status(f"chatterbox: {inert(sentence)}")


def _mend_streams() -> None:
    """A stream that was closed leads nowhere; a terminal that can't show a character gets a question mark."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode))  # noqa: SIM115 - until the end
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="replace")


def _close_output() -> None:
    """Nobody reads any more: keep the interpreter from complaining about that at its end."""
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    sys.exit(main())
