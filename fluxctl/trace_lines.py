"""The lines of ``flux module trace`` and ``flux overlay trace``. No I/O."""

from __future__ import annotations

import errno
import json
import time
from typing import TYPE_CHECKING, Final

from flux.terminal_text import terminal_line
from flux.wire.message import CONTROL, EVENT, REQUEST, RESPONSE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flux.wire.json import JsonObject
    from fluxctl.color import Paint, Role

TYPES: Final = {"request": REQUEST, "response": RESPONSE, "event": EVENT, "control": CONTROL}
"""The types of messages, by the names that the option ``--type`` knows."""
ALL_TYPES: Final = REQUEST | RESPONSE | EVENT | CONTROL
_SIGNS: Final = {REQUEST: ">", RESPONSE: "<", EVENT: "e", CONTROL: "c"}
_ROLES: Final[dict[int, Role]] = {REQUEST: "heading", EVENT: "name", CONTROL: "faint"}
_MINUTE: Final = 60
_KILO: Final = 1024
_UNITS: Final = ("", "K", "M", "G")


def typemask(text: str | None) -> int:
    """Return the mask for types of messages with commas between them, all for None; raises
    ValueError, which says what there is, for another word.
    """
    if text is None:
        return ALL_TYPES
    mask = 0
    for word in text.split(","):
        if word not in TYPES:
            raise ValueError(f"valid types: {', '.join(TYPES)}")
        mask |= TYPES[word]
    return mask


class TraceLines:
    """Turns messages of a trace into lines, one after the other.

    With ``human`` the minute is told when it is another, and seconds after it else, or after the
    message before, with ``delta``.
    """

    def __init__(self, paint: Paint, *, human: bool = False, delta: bool = False) -> None:
        self._paint = paint
        self._human = human
        self._delta = delta
        self._minute: int | None = None
        self._last = 0.0

    def lines(self, msg: JsonObject) -> Iterator[str]:
        """Yield the line for a message, and those of its payload if that is told."""
        kind, failed = msg["type"], bool(msg["errnum"])
        place = [msg["prefix"]]
        if msg["name"] is not None:
            place.insert(0, terminal_line(msg["name"]))
        else:
            place.append("*" if msg["rank"] < 0 else str(msg["rank"]))
        words = [*place, _SIGNS.get(kind, "?")]
        if msg["topic"] is not None:
            words.append(terminal_line(msg["topic"]))
        words.append(f"[{_size(msg['payload_size'])}]")
        if kind == RESPONSE:
            words.append(_result(msg["errnum"]))
        role = "bad" if failed else _ROLES.get(kind, "")
        yield f"{self._when(msg['timestamp'])} {self._paint(' '.join(words), role)}"
        if msg["payload"] is not None:
            yield from json.dumps(msg["payload"], indent=2).splitlines()

    def _when(self, now: float) -> str:
        if not self._human:
            date = time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(now))
            return self._paint(f"{date}.{int(now % 1 * 1000):03d}", "time")
        minute = int(now // _MINUTE)
        since = now - (self._last if self._delta else minute * _MINUTE)
        self._last = now
        if minute == self._minute:
            return f"{self._paint(f'[{since:>+11.6f}]', 'time')} "
        self._minute = minute
        return f"{self._paint(time.strftime('[%b%d %H:%M]', time.localtime(now)), 'heading')} "


def _size(count: int) -> str:
    """Return a number of bytes, from 1,024 on in KiB (K), MiB, GiB."""
    power = 0
    while power < len(_UNITS) - 1 and count >= _KILO ** (power + 1):
        power += 1
    return f"{count / _KILO**power:.8g}{_UNITS[power]}"


def _result(errnum: int) -> str:
    return errno.errorcode.get(errnum, f"error {errnum}") if errnum else "success"
