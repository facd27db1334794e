"""The words of a command line that is being typed, as a shell will read them: no input or
output.
"""

from __future__ import annotations

import shlex
from typing import NamedTuple

_CURSOR = "\x01"
_BREAKS = "=:"
"""Where bash begins a new word for completion, beside blanks (COMP_WORDBREAKS)."""
_SPECIAL = frozenset(" \t\n'\"\\$`!*?[]()<>|&;#")


class TypedWords(NamedTuple):
    """The whole words before the cursor, what is typed of the word at it, and whether a quote is
    open there.
    """

    words: list[str]
    begun: str
    quoted: bool


def typed_words(line: str) -> TypedWords:
    """Return the words of a line up to the cursor, which is at its end."""
    lexer = shlex.shlex(line + _CURSOR, posix=True)
    lexer.whitespace_split = True
    lexer.commenters = ""
    words: list[str] = []
    quoted = False
    try:
        words += lexer
    except ValueError:  # no closing quote, or nothing after a backslash
        words.append(lexer.token)
        quoted = True
    begun = words.pop().replace(_CURSOR, "") if words else ""
    return TypedWords(words, begun, quoted)


def joined_words(words: list[str]) -> list[str]:
    """Return words as a program gets them of words as bash tells them: ``--color`` ``=`` ``a`` is
    ``--color=a``.
    """
    found: list[str] = []
    for word in words:
        if found and (word == "=" or found[-1].endswith("=")) and found[-1].startswith("--"):
            found[-1] += word
        else:
            found.append(word)
    return found


def rest_for_bash(value: str, begun: str, quoted: bool) -> str:
    """Return what bash is to put in place of the word that it completes, which begins after the
    last = or : of what is ``begun``; ``value`` is the whole word.
    """
    if quoted:
        return value
    start = max(begun.rfind(mark) for mark in _BREAKS) + 1
    rest = value[start:] if value[:start] == begun[:start] else value
    return "".join(f"\\{char}" if char in _SPECIAL else char for char in rest)
