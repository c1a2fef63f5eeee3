"""Job control of the shell: stopping by Ctrl+Z or SIGTSTP, and continuing by `fg`."""

import os
import signal


def stop_job() -> None:
    """Send SIGTSTP to the whole job, as the terminal does for Ctrl+Z: the shell waits until all its processes stop."""
    os.kill(0, signal.SIGTSTP)


def stop_until_continued() -> bool:
    """Stop this process, and return when it is continued. Only for the main thread.

    False if it did not stop: without a shell that could continue it, the kernel ignores the signal. SIGSTOP would stop
    it for ever.
    """
    continued = False

    def note(*_: object) -> None:
        nonlocal continued
        continued = True

    before = {number: signal.getsignal(number) for number in (signal.SIGTSTP, signal.SIGCONT)}
    signal.signal(signal.SIGTSTP, signal.SIG_DFL)
    signal.signal(signal.SIGCONT, note)
    try:
        signal.raise_signal(signal.SIGTSTP)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return continued
