"""What shells run to complete a word: one small script for each, which asks this program.

So a script never grows old, and what there is to complete follows from the parser.
"""

from collections.abc import Sequence
from itertools import pairwise

ASKED = "__complete"
"""What the scripts give this program as its first word."""
_SCRIPTS = {
    "bash": """\
_chatterbox() {
    local line
    COMPREPLY=()
    while IFS= read -r line; do
        COMPREPLY+=("${line%%$'\\t'*}")
    done < <("${COMP_WORDS[0]/#\\~/$HOME}" ASKED "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -F _chatterbox chatterbox
""",
    "zsh": """\
#compdef chatterbox
_chatterbox() {
    local -a answers
    local line
    while IFS= read -r line; do
        answers+=("${${line//:/\\\\:}/$'\\t'/:}")
    done < <(${~words[1]} ASKED "${(@)words[2,CURRENT]}" 2>/dev/null)
    _describe chatterbox answers
}
if [[ "${funcstack[1]}" == _chatterbox ]]; then
    _chatterbox "$@"
else
    compdef _chatterbox chatterbox
fi
""",
    "fish": """\
function __chatterbox
    set -l words (commandline -opc) (commandline -ct)
    $words[1] ASKED $words[2..-1] 2>/dev/null
end
complete -c chatterbox -f -a '(__chatterbox)'
""",
}
_BREAKS = frozenset("=:")
"""Where bash ends a word and begins another."""


def script(shell: str) -> str:
    """What teaches `shell` to complete."""
    return _SCRIPTS[shell].replace("ASKED", ASKED)


def whole(words: Sequence[str]) -> list[str]:
    """The words as they were typed: a shell may make several of one.

    >>> whole(["--server", "http", ":", "//x", "tail", "--resume", "=", "m"])
    ['--server', 'http://x', 'tail', '--resume=m']
    """
    glued = list(words[:1])
    for before, word in pairwise(words):
        if word and (_is_break(before) or _is_break(word)):
            glued[-1] += word
        else:
            glued.append(word)
    return glued


def typed_before(words: Sequence[str]) -> str:
    """What of the last whole word stands before the piece that the shell replaces."""
    piece = "" if not words or _is_break(words[-1]) else words[-1]
    return (whole(words) or [""])[-1].removesuffix(piece)


def _is_break(word: str) -> bool:
    return bool(word) and _BREAKS.issuperset(word)
