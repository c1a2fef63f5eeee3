"""Which usernames a display name looks like. Pure.

A display name is free text, so it is compared without what does not show, and also without the signs around it: "@ada",
"ada." and "* ada *" look like ada. Names within a longer text are not compared: "Ada Lovelace" does not look like ada.
"""

import unicodedata

from services.auth.rules.confusables import Skeletons, skeletons


def compared_forms(display_name: str) -> list[Skeletons]:
    """The skeletons of usernames that `display_name` looks like.

    >>> skeletons("alice") in compared_forms("* al1\N{ZERO WIDTH SPACE}ce *")
    True
    >>> skeletons("alice") in compared_forms("Alice Liddell")
    False
    """
    visible = "".join(character for character in display_name if unicodedata.category(character) != "Cf").strip()
    forms = dict.fromkeys((visible, _without_signs(visible)))
    return [skeletons(form) for form in forms if form]


def _without_signs(text: str) -> str:
    """`text` from its first to its last letter or digit, with the marks on these."""
    places = [at for at, character in enumerate(text) if unicodedata.category(character)[0] in "LNM"]
    return text[places[0] : places[-1] + 1] if places else ""
