"""What each action does that is about what one writes: one method for each, by its name."""

from functools import partial

from client.screen.actions.handler_base import HandlerBase
from client.screen.input import picker_items
from client.screen.input.tab_completion import CompletionSources
from client.screen.model import submit
from client.text.sanitize import inert


class ComposerHandlers(HandlerBase):
    """Turns a key into another text to write, or sends it."""

    def send(self) -> None:
        composer, room = self._chat.composer, self.model.room
        text = composer.text
        if not submit.submit(self.model, text) and not room.draft:
            room.draft = text
        self._chat.shell.settle()
        if self.model.room is room:
            composer.show(room.draft)

    def new_line(self) -> None:
        self._chat.composer.type("\n")

    def complete(self) -> None:
        from client.faces.slash_parser import SLASHES

        rooms = dict.fromkeys([*(room.name for room in self.model.in_order()), *self.model.open_rooms])
        known = dict.fromkeys([*self.model.people(), *self.model.acquaintances])
        people = [inert(name) for name in known if name != self.model.status.username]
        self._chat.composer.complete(
            CompletionSources(list(SLASHES), people, list(map(inert, rooms)), inert(self.model.room.topic))
        )

    def older_text(self) -> None:
        self._recall(self.model.room.recall.previous(self._chat.composer.text))

    def newer_text(self) -> None:
        self._recall(self.model.room.recall.next())

    def _recall(self, text: str | None) -> None:
        if text is not None:
            self._chat.composer.show(text)

    def find_text(self) -> None:
        choices = picker_items.written(self.model)
        narrow = partial(picker_items.narrowed, choices=choices, fuzzy=False)
        self._pick("What you wrote before", narrow, lambda text, _: self._recall(text or None))

    def clear(self) -> None:
        composer = self._chat.composer
        if not composer.text:
            self.say(f"{self._chat.key_of('quit') or '/quit'} ends.")
        self.model.room.recall.add(composer.text)
        composer.show("")

    def editor(self) -> None:
        from client.screen.actions.external_editor import edit

        self._chat.run_worker(edit(self._chat.app, self._chat.composer), exclusive=True)

    def paste(self, text: str) -> None:
        from client.screen.widgets.sheets import QuestionSheet

        sentence = f"You paste {len(text.splitlines())} lines ({len(text)} characters) into one message for this room."
        question = QuestionSheet(sentence, "paste; it is not sent yet")
        self._chat.app.push_screen(question, lambda yes: self._chat.composer.type(text) if yes else None)
