"""Textual's terminal driver with job control that restores the screen: after SIGTSTP, SIGSTOP, `bg` and `fg`."""

from collections.abc import Callable

from textual.drivers.linux_driver import LinuxDriver

from client.job_control import stop_until_continued


class TerminalDriver(LinuxDriver):
    """Posts `SignalResume` whenever the screen must be drawn again.

    While another program has the terminal (`no_automatic_restart`), stopping leaves the terminal alone.
    """

    on_not_stopped: Callable[[], None] = staticmethod(lambda: None)
    """Called after SIGTSTP had no effect, as there is no shell that could continue the program."""

    def _sigtstp_application(self, *_: object) -> None:
        if not self._auto_restart:
            stop_until_continued()
            return
        self.suspend_application_mode()
        if not stop_until_continued():
            self._loop.call_soon_threadsafe(self.on_not_stopped)
        self._start_again()

    def _sigcont_application(self, *_: object) -> None:
        """Continued after SIGSTOP, which can't be handled, or after being stopped in the background while starting."""
        if not self._auto_restart:
            return
        if self._is_in_application_mode:
            self.suspend_application_mode()
        self._start_again()

    @property
    def _is_in_application_mode(self) -> bool:
        return self._key_thread is not None and self._key_thread.is_alive()

    def _start_again(self) -> None:
        self._must_signal_resume = True
        self.resume_application_mode()
