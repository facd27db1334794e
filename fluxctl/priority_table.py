"""The columns of ``flux priority``: formats as sprio(1) has them. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from flux.job.priority_factors import JobPriority
    from flux.wire.json import JsonMapping

    Value = int | float | str

_FIELD: Final = re.compile(r"%(\.?)(\d*)(.?)", re.DOTALL)
_MOST: Final = (1 << 32) - 1
MOST_SIZE: Final = 1000
TRES: Final = "tres"
FACTORS: Final = {
    "a": "age",
    "b": "assoc",
    "f": "fairshare",
    "j": "jobsize",
    "p": "partition",
    "q": "qos",
    "t": TRES,
}
"""The factors: a small letter is for the factor, the capital one for what it adds."""
HEADINGS: Final = {
    "i": "JOBID",
    "r": "PARTITION",
    "u": "USER",
    "o": "ACCOUNT",
    "n": "QOSNAME",
    "Y": "PRIORITY",
    "y": "PRIORITY",
    "S": "SITE",
    "N": "NICE",
} | {letter: name.upper() for small, name in FACTORS.items() for letter in (small, small.upper())}
_DEFAULT: Final = (
    ("%.15i ", ""),
    ("%9r ", ""),
    ("%.10Y ", ""),
    ("%.10S ", ""),
    ("%.10A ", "age"),
    ("%.10B ", "assoc"),
    ("%.10F ", "fairshare"),
    ("%.10J ", "jobsize"),
    ("%.10P ", "partition"),
    ("%.10Q ", "qos"),
    ("%20T", TRES),
)
LONG: Final = "%.15i %9r %.8u %.8o %.10Y %.10S %.10A %.10B %.10F %.10J %.10P %.8n %.10Q %.11N %20T"
_USER: Final = "%.8u "
_NORMAL: Final = {".10Y": "16y", ".10S": ""} | {
    f".10{letter.upper()}": f"10{letter}" for letter in "abfjpq"
}


class FormatField(NamedTuple):
    """One field of a format: the text before it, its letter, its least width, its side."""

    before: str
    letter: str
    width: int
    right: bool

    def shown(self, text: str) -> str:
        """Return a value in this column."""
        return self.before + (text.rjust(self.width) if self.right else text.ljust(self.width))


class PriorityTable:
    """A format, with the weights that factors are multiplied by. Raises ValueError for a letter
    that is no field.
    """

    def __init__(self, layout: str, weights: JsonMapping) -> None:
        self._columns, self._end = parse(layout)
        self._weights = weights
        self._tres: Mapping[str, float] = weights[TRES]

    def header(self) -> str:
        """Return the line of headings."""
        return self._line(lambda letter: HEADINGS[letter])

    def weights(self) -> str:
        """Return the line of weights."""
        return self._line(self._weight)

    def row(self, job: JobPriority, jobid: str) -> str:
        """Return the line of a job, with its id in the form ``jobid``."""
        values = job._asdict() | {"jobid": jobid}
        return self._line(lambda letter: self._text(letter, values))

    def _line(self, text_of: Callable[[str], str]) -> str:
        shown = [column.shown(text_of(column.letter)) for column in self._columns]
        return ("".join(shown) + self._end).rstrip()

    def _weight(self, letter: str) -> str:
        if letter == "i":
            return "Weights"
        if letter == "T":
            return _pairs(self._tres, "{:.0f}")
        name = "site" if letter == "S" else FACTORS.get(letter.lower(), "")
        return str(self._weights[name]) if letter.isupper() and name in self._weights else ""

    def _text(self, letter: str, values: Mapping[str, object]) -> str:
        if letter in "tT":
            factors = dict(zip(self._tres, _numbers(values[TRES]), strict=True))
            if letter == "t":
                return _pairs(factors, "{:.7f}")
            return _pairs({key: part * self._tres[key] for key, part in factors.items()}, "{:.0f}")
        value = value_of(letter, values, self._weights)
        if letter == "y":
            return f"{value:.14f}"
        if isinstance(value, str):
            return value
        return f"{value:.7f}" if isinstance(value, float) and letter.islower() else f"{value:.0f}"


def value_of(letter: str, values: Mapping[str, object], weights: JsonMapping) -> Value:
    """Return the value of a field, by which rows may be sorted, too."""
    name = _PLAIN.get(letter)
    if name is not None:
        value = values[name] if values[name] != "" else NOTHING
        return value if isinstance(value, int | str) else str(value)
    if letter == "y":
        return float(str(values["priority"])) / _MOST
    factor = float(str(values[FACTORS[letter.lower()]]))
    return factor if letter.islower() else factor * float(weights[FACTORS[letter.lower()]])


_PLAIN: Final = {
    "i": "jobid",
    "r": "queue",
    "u": "user",
    "o": "account",
    "n": "qos_name",
    "Y": "priority",
    "S": "site",
    "N": "nice",
}
NOTHING: Final = "-"
"""Stands for a name that there is not: a job in no queue."""


def _numbers(value: object) -> list[float]:
    return [float(number) for number in value] if isinstance(value, list) else []


def _pairs(values: Mapping[str, float], layout: str) -> str:
    return ",".join(f"{key}={layout.format(value)}" for key, value in values.items())


def parse(layout: str) -> tuple[list[FormatField], str]:
    """Return the columns of a format and the text after them; raises ValueError."""
    columns, at = [], 0
    for match in _FIELD.finditer(layout):
        right, width, letter = match.groups()
        if letter not in HEADINGS or not letter:
            raise ValueError(f"Invalid job format specification: {letter or match[0]}")
        if int(width or 0) > MOST_SIZE:
            raise ValueError(f"Invalid job format specification: {match[0]} is too wide")
        columns.append(
            FormatField(layout[at : match.start()], letter, int(width or 0), right == ".")
        )
        at = match.end()
    return columns, layout[at:]


def layout_for(
    weights: JsonMapping, *, long: bool = False, norm: bool = False, users: bool = False
) -> str:
    """Return the default format: the factors that have a weight; all and who it is if it is to be
    ``long``, factors rather than what they add for ``norm``, names of ``users`` too if asked for.
    """
    if long:
        text = LONG
    else:
        parts = [part for part, factor in _DEFAULT if not factor or weights[factor]]
        text = "".join(parts[:2]) + (_USER if users else "") + "".join(parts[2:])
    if norm:
        for weighted, plain in _NORMAL.items():
            text = text.replace(f"%{weighted} ", f"%{plain} " if plain else "")
            text = text.replace(f"%{weighted}", f"%{plain}" if plain else "")
        text = text.replace("%20T", "%20t")
    return text


def sort_keys(text: str) -> list[tuple[str, bool]]:
    """Return the letters of a ``--sort`` and whether each is descending; raises ValueError."""
    found = []
    for word in text.split(","):
        letter = word.lstrip("+-")
        if letter not in HEADINGS or len(word) - len(letter) > 1 or letter in "tT":
            raise ValueError(f"Invalid sort specification: {word}")
        found.append((letter, word.startswith("-")))
    return found


def sorted_jobs(
    jobs: Iterable[JobPriority], keys: list[tuple[str, bool]], weights: JsonMapping
) -> list[JobPriority]:
    """Return jobs in the order of some fields, the first one first; those that are equal in the
    order of their ids.
    """
    found = list(jobs)
    for letter, descending in reversed(keys):

        def key(job: JobPriority, letter: str = letter) -> tuple[bool, Value]:
            value = value_of(letter, job._asdict() | {"jobid": job.id}, weights)
            return isinstance(value, str), value

        found.sort(key=key, reverse=descending)
    return found
