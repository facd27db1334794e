"""Reads the shape of a job's resources (RFC 46) into the list that a jobspec has (RFC 14)."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final, NoReturn

from flux.idset import IDset

if TYPE_CHECKING:
    from flux.wire.json import JsonObject

DEFAULT_LABEL: Final = "task"
"""The label of a slot that is the only one and has none: the one that the job's tasks name."""
DEEPEST: Final = 64
"""How deep vertices and values may be nested."""
_SPECIAL: Final = "=/{}[];,:\"'"
_WORD: Final = re.compile(rf"[^{re.escape(_SPECIAL)}\s]+")
_SPACE: Final = re.compile(r"\s*")
_COUNT: Final = re.compile(r"[0-9+,*^:-]*")
_INTEGER: Final = re.compile(r"[1-9][0-9]*")
_RANGE: Final = re.compile(r"([1-9][0-9]*)(?:\+|-([1-9][0-9]*))(?::[1-9][0-9]*(?::[+*^])?)?")
_BARE_VALUE: Final = re.compile(r"[^,{}\[\]\"']+")


class ShapeSyntaxError(Exception):
    """A text that is no shape; its words say where."""


class ShapeParser:
    """Reads shapes; see `parse`."""

    def __init__(
        self,
        lexer: object = None,
        optimize: bool = True,
        debug: bool = False,
        write_tables: bool = False,
        **kw_args: object,
    ) -> None:
        """Make a parser; what flux-core's takes for its own parser generator changes nothing."""
        self._text = ""
        self._at = 0
        self._open: list[int] = []
        self._unlabelled = 0
        self._slots = 0

    def parse(self, query: str, **kw_args: object) -> list[JsonObject]:
        """Return the resources of a shape: vertices with ``type``, ``count`` and, in a level below,
        ``with``. A count that is no number stays text, a range (RFC 45) or an idset (RFC 22).

        Raises ShapeSyntaxError.
        """
        self._text, self._at, self._open = query, 0, []
        self._unlabelled = self._slots = 0
        found = self._list()
        if self._peek() == "]":
            self._fail(f"Mismatched brackets starting at position {self._at}.")
        if self._peek():
            self._refuse()
        if self._unlabelled and self._slots > 1:
            self._fail("Multiple slots require labels")
        return found

    def _fail(self, text: str) -> NoReturn:
        raise ShapeSyntaxError(text)

    def _refuse(self) -> NoReturn:
        """Fail for what stands here."""
        if not self._peek():
            if self._open:
                begin = self._open[-1]
                kind = "brace" if self._text[begin] == "{" else "bracket"
                self._fail(f"Unclosed {kind} in position {begin}")
            self._fail(f"Unexpected end of input in '{self._text}'")
        word = _WORD.match(self._text, self._at)
        token = word.group() if word else self._peek()
        self._fail(f"Invalid token '{token}' at position {self._at}")

    def _peek(self) -> str:
        """Return the next character that is no space, an empty text at the end."""
        space = _SPACE.match(self._text, self._at)
        self._at = space.end() if space else self._at
        return self._text[self._at : self._at + 1]

    def _take(self, character: str) -> bool:
        """Pass a character if it is the next."""
        if self._peek() != character:
            return False
        self._at += 1
        return True

    def _begin(self, character: str) -> bool:
        """Pass what opens a list or a dictionary, if it is the next."""
        if not self._take(character):
            return False
        self._open.append(self._at - 1)
        if len(self._open) > DEEPEST:
            self._fail(f"Nested too deeply at position {self._at - 1}")
        return True

    def _end(self, character: str) -> None:
        """Pass what closes it; fail if that is not the next."""
        if not self._take(character):
            self._refuse()
        self._open.pop()

    def _string(self) -> str:
        """Return a word, or a text in quotes."""
        if self._peek() in ("'", '"'):
            return self._quoted()
        word = _WORD.match(self._text, self._at)
        if word is None:
            self._refuse()
        self._at = word.end()
        return word.group()

    def _quoted(self) -> str:
        quote, begin = self._text[self._at], self._at
        end = self._text.find(quote, begin + 1)
        if end < 0:
            self._fail(f"Unclosed quote in position {begin}")
        self._at = end + 1
        return self._text[begin + 1 : end]

    def _list(self, depth: int = 1) -> list[JsonObject]:
        if depth > DEEPEST:
            self._fail(f"Nested too deeply at position {self._at}")
        if not self._begin("["):
            return [self._vertex(depth)]
        found = [self._vertex(depth)]
        while self._take(";"):
            found.append(self._vertex(depth))
        self._end("]")
        return found

    def _vertex(self, depth: int) -> JsonObject:
        kind = self._string()
        slot = kind.lower() == "slot"
        vertex: JsonObject = {
            "type": "slot" if slot else kind,
            "count": self._count() if self._take("=") else 1,
        }
        if slot:
            self._slots += 1
            vertex["label"] = DEFAULT_LABEL
            self._unlabelled += self._peek() != "{"
        if self._begin("{"):
            if slot:
                vertex["label"] = self._string()
            self._items(vertex, more=slot)
        if self._take("/"):
            vertex["with"] = self._list(depth + 1)
        elif slot:
            self._refuse()
        return vertex

    def _count(self) -> int | str:
        bracketed = self._begin("[")
        begin = self._at
        if self._peek() and self._text[begin] in "-\"'":
            self._refuse()
        word = _COUNT.match(self._text, self._at)
        text = word.group() if word else ""
        end = begin + len(text)
        if not text or text.startswith("0"):
            if begin >= len(self._text):
                self._refuse()
            self._fail(f"Illegal character '{self._text[begin]}' at position {begin}")
        if self._text[end : end + 1] not in ("", "/", "{", ";", "]", " "):
            self._fail(f"Illegal character '{self._text[end]}' at position {end}")
        self._at = end
        if bracketed:
            self._end("]")
        return self._counted(text, begin)

    def _counted(self, text: str, begin: int) -> int | str:
        if _INTEGER.fullmatch(text):
            return int(text)
        if not _is_several(text):
            self._fail(f"Invalid count '{text}' at position {begin}")
        return text

    def _items(self, found: JsonObject, *, more: bool = False) -> None:
        """Read the keys of a dictionary that is open, and its end; ``more`` if there is one item
        already.
        """
        if self._peek() != "}" and (not more or self._take(",")):
            self._item(found)
            while self._take(","):
                self._item(found)
        self._end("}")

    def _item(self, found: JsonObject) -> None:
        sign = self._peek()
        if sign in ("'", '"'):
            key = self._quoted()
            sign = ""
        else:
            word = self._string()
            sign = sign if sign in "+-" and len(word) > 1 else ""
            key = word.removeprefix(sign)
        key = "exclusive" if key == "x" else key
        if not sign and self._take(":"):
            found[key] = self._value()
        else:
            found[key] = sign != "-"

    def _value(self) -> Any:
        first = self._peek()
        if self._begin("{"):
            inner: JsonObject = {}
            self._items(inner)
            return inner
        if first == "'":
            return self._quoted()
        if first in ("[", '"'):
            try:
                value, self._at = json.JSONDecoder().raw_decode(self._text, self._at)
            except (ValueError, RecursionError):
                self._refuse()
            return value
        word = _BARE_VALUE.match(self._text, self._at)
        if word is None:
            self._refuse()
        self._at = word.end()
        return _bare(word.group().strip())


def _is_several(text: str) -> bool:
    """Return whether a text is a range or an idset."""
    bounds = _RANGE.fullmatch(text)
    if bounds is not None:
        return bounds[2] is None or int(bounds[1]) <= int(bounds[2])
    try:
        return IDset(text).count() > 0
    except ValueError:
        return False


def _bare(text: str) -> Any:
    """Return the number, the truth value or null that a text is, or the text itself."""
    try:
        return json.loads(text, parse_constant=str)
    except ValueError:
        return text
