"""The input line of a terminal, with messages printed above it. The only module that imports prompt_toolkit."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import contextmanager

from prompt_toolkit import PromptSession
from prompt_toolkit.application import run_in_terminal
from prompt_toolkit.application.current import set_app
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.patch_stdout import patch_stdout

from client.failures import Interrupted
from client.job_control import stop_job, stop_until_continued


class LineInput:
    """An input line at the bottom of the terminal. `prompt` is called again after each `refresh`.

    `complete` returns the completions of the last word of a line. `on_key` is called with the line when it changes.
    """

    def __init__(
        self, prompt: Callable[[], str], complete: Callable[[str], list[str]], on_key: Callable[[str], None]
    ) -> None:
        self._session: PromptSession[str] = PromptSession(
            prompt,
            erase_when_done=True,
            key_bindings=_keys(),
            completer=_Words(complete),
            complete_while_typing=False,
        )
        self._session.default_buffer.on_text_changed += lambda buffer: on_key(buffer.text)

    async def lines(self) -> AsyncIterator[str]:
        """Yield each typed line until Ctrl-D. Ctrl-C clears the line; on an empty line it raises `Interrupted`."""
        while True:
            try:
                yield await self._session.prompt_async(handle_sigint=False)
            except EOFError:
                return
            except KeyboardInterrupt:
                raise Interrupted from None

    def refresh(self) -> None:
        if self._session.app.is_running:
            self._session.app.invalidate()

    @contextmanager
    def above(self) -> Iterator[None]:
        """Within this context, printed lines appear above the input line, and SIGTSTP gives the terminal to the shell.

        They are written raw, to keep the client's colours; text of others is already inert.
        """
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTSTP, self._suspend)
        try:
            with patch_stdout(raw=True):
                yield
        finally:
            loop.remove_signal_handler(signal.SIGTSTP)

    def _suspend(self) -> None:
        """Erase the input line and stop; once continued, draw it again with what was typed."""
        with set_app(self._session.app):
            run_in_terminal(stop_until_continued)


class _Words(Completer):
    """Completes the last word before the cursor."""

    def __init__(self, complete: Callable[[str], list[str]]) -> None:
        self._complete = complete

    def get_completions(self, document: Document, _: CompleteEvent) -> Iterable[Completion]:
        typed = document.text_before_cursor
        length = len(typed.rsplit(" ", 1)[-1])
        return [Completion(word, start_position=-length) for word in self._complete(typed)]


def _keys() -> KeyBindings:
    keys = KeyBindings()

    @keys.add("c-c")
    def _(event: KeyPressEvent) -> None:
        if event.current_buffer.text:
            event.current_buffer.reset()
        else:
            event.app.exit(exception=KeyboardInterrupt())

    @keys.add("c-z")
    def _(_: KeyPressEvent) -> None:
        stop_job()

    return keys
