"""Typing on a terminal while lines arrive above: prompt_toolkit, kept out of everything else."""

from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import contextmanager

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.patch_stdout import patch_stdout

from client.failures import Interrupted


class LineInput:
    """One line to type on, below what is shown. `prompt` is asked again whenever something was shown.

    `complete` says what the last word of a line could become.
    """

    def __init__(self, prompt: Callable[[], str], complete: Callable[[str], list[str]]) -> None:
        self._session: PromptSession[str] = PromptSession(
            prompt,
            erase_when_done=True,
            key_bindings=_keys(),
            completer=_Words(complete),
            complete_while_typing=False,
        )

    async def lines(self) -> AsyncIterator[str]:
        """Yield each typed line; ends at Ctrl-D. Ctrl-C empties the line, and on an empty one interrupts."""
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
        """While inside, what is printed appears above the line that is typed on.

        Raw, because the colours are ours: what others wrote is inert before it gets here.
        """
        with patch_stdout(raw=True):
            yield


class _Words(Completer):
    """What the last word before the cursor could become."""

    def __init__(self, complete: Callable[[str], list[str]]) -> None:
        self._complete = complete

    def get_completions(self, document: Document, _: CompleteEvent) -> Iterable[Completion]:
        typed = document.text_before_cursor
        begun = len(typed.rsplit(" ", 1)[-1])
        return [Completion(word, start_position=-begun) for word in self._complete(typed)]


def _keys() -> KeyBindings:
    keys = KeyBindings()

    @keys.add("c-c")
    def _(event: KeyPressEvent) -> None:
        if event.current_buffer.text:
            event.current_buffer.reset()
        else:
            event.app.exit(exception=KeyboardInterrupt())

    return keys
