"""Ordered lists of host names and their compact form, such as ``node[0-15,20]`` (RFC 29)."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterable, Iterator
from itertools import product
from typing import TypeAlias, Union, overload

from flux.scoped import Scoped
from flux.wire.text import Text, as_text

HostlistLike: TypeAlias = Union["Hostlist", str, bytes, Iterable[str | bytes]]
"""Whatever the operations of a Hostlist accept as the other operand."""

_RANGE = re.compile(r"([0-9]{1,18})(?:-([0-9]{1,18}))?\Z", re.ASCII)
_NUMBERED = re.compile(r"(.*?)([0-9]{1,18})\Z", re.ASCII | re.DOTALL)
MAX_HOSTS = 1 << 18
"""Hosts that one string may stand for: a few characters could ask for more than fit in memory."""

_MAX_SHOWN = 200


def _invalid(text: object) -> ValueError:
    shown = str(text)
    return ValueError(
        f"Hostlist(): Invalid argument: "
        f"{shown if len(shown) <= _MAX_SHOWN else shown[:_MAX_SHOWN] + '...'}"
    )


def _split_expressions(text: str) -> list[str]:
    """Split at the commas and blanks outside of square brackets."""
    parts: list[str] = []
    depth = start = 0
    for at, char in enumerate(text):
        if char == "[":
            depth += 1
        elif char == "]":
            depth -= 1
        elif depth == 0 and (char == "," or char.isspace()):
            parts.append(text[start:at])
            start = at + 1
        if depth not in (0, 1):
            raise _invalid(text)
    if depth:
        raise _invalid(text)
    parts.append(text[start:])
    return [part.strip() for part in parts if part.strip()]


def _ranges(idlist: str, text: str) -> Iterator[tuple[int, int, int]]:
    """Yield first, last and padding of an idlist's terms; the zeros leading the first element pad
    them all.
    """
    width = 0
    for index, term in enumerate(idlist.split(",")):
        match = _RANGE.match(term)
        if match is None:
            raise _invalid(text)
        if index == 0 and match[1].startswith("0"):
            width = len(match[1])
        first = int(match[1])
        last = first if match[2] is None else int(match[2])
        if last < first:
            raise _invalid(text)
        yield first, last, max(width, len(match[1]) if match[1].startswith("0") else 0)


def _expand(expression: str) -> Iterator[str]:
    """Yield the host names of one hostlist expression ``prefix[idlist]suffix[idlist]...``;
    ValueError for too many.
    """
    head, *rest = expression.split("[")
    if "]" in head or any(char.isspace() for char in expression):
        raise _invalid(expression)
    parts: list[list[str]] = [[head]]
    count = 1
    for part in rest:
        idlist, bracket, suffix = part.partition("]")
        ranges = list(_ranges(idlist, expression))
        count *= sum(last - first + 1 for first, last, _ in ranges)
        if not bracket or "]" in suffix or count > MAX_HOSTS:
            raise _invalid(expression)
        parts.append(
            [str(i).zfill(width) for first, last, width in ranges for i in range(first, last + 1)]
        )
        parts.append([suffix])
    return map("".join, product(*parts))


def _split_number(host: str) -> tuple[str, str]:
    """Split the trailing number off a host name; the number is empty if there is none."""
    match = _NUMBERED.match(host)
    return (match[1], match[2]) if match else (host, "")


def _padding(number: str) -> int:
    """Return the width that `number` is zero-padded to, or 0 if it has no leading zero."""
    return len(number) if len(number) > 1 and number.startswith("0") else 0


class _Run:
    """Hosts of a list in a row which share a prefix and a padding: one expression of the encoded
    list.
    """

    def __init__(self, prefix: str, number: str) -> None:
        self.prefix = prefix
        self.width = _padding(number)
        self.ranges: list[list[int]] = [[int(number), int(number)]]

    def accept(self, prefix: str, number: str) -> bool:
        """Add a host if this run can express it."""
        value = int(number)
        if prefix != self.prefix or number != str(value).zfill(self.width):
            return False
        if value == self.ranges[-1][1] + 1:
            self.ranges[-1][1] = value
        else:
            self.ranges.append([value, value])
        return True

    def encode(self) -> str:
        terms = [_term(first, last, self.width) for first, last in self.ranges]
        if len(terms) == 1 and self.ranges[0][0] == self.ranges[0][1]:
            return self.prefix + terms[0]
        return f"{self.prefix}[{','.join(terms)}]"


def _term(first: int, last: int, width: int) -> str:
    text = str(first).zfill(width)
    return text if first == last else f"{text}-{str(last).zfill(width)}"


def _sort_key(host: str) -> tuple[str, int, int]:
    prefix, number = _split_number(host)
    return (prefix, int(number) if number else -1, len(number))


class Hostlist(Scoped):
    """An ordered list of host names, repeats allowed (RFC 29).

    It is made from a hostlist string such as ``node[0-3,7]``, from another Hostlist, or from an
    iterable of hostlist strings, whose hosts follow one another. Raises ValueError if a string is
    not a valid hostlist, TypeError for an argument of another kind.
    """

    __slots__ = ("_hosts",)

    def __init__(self, arg: HostlistLike = "") -> None:
        self._hosts: list[str] = []
        self.append(arg)

    def __len__(self) -> int:
        return len(self._hosts)

    def __iter__(self) -> Iterator[str]:
        return iter(self._hosts)

    def __contains__(self, host: object) -> bool:
        return host in self._hosts

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice | Iterable[int]) -> Hostlist: ...
    def __getitem__(self, index: int | slice | Iterable[int]) -> str | Hostlist:
        """Return the host at a position, or the Hostlist of those in a slice or at several
        positions; raises IndexError for one that there is not, TypeError for what is none.
        """
        if isinstance(index, slice):
            return Hostlist._of(self._hosts[index])
        if isinstance(index, Iterable) and not isinstance(index, str | bytes):
            return Hostlist._of([self[one] for one in index])
        if not isinstance(index, int):
            raise TypeError(f"Invalid Hostlist index {index!r}")
        try:
            return self._hosts[index]
        except IndexError:
            raise IndexError("Hostlist index out of range") from None

    def __eq__(self, other: object) -> bool:
        return self._hosts == other._hosts if isinstance(other, Hostlist) else NotImplemented

    def __str__(self) -> str:
        return self.encode()

    def __repr__(self) -> str:
        return f"Hostlist('{self}')"

    @classmethod
    def _of(cls, hosts: list[str]) -> Hostlist:
        made = cls()
        made._hosts = hosts
        return made

    def encode(self) -> str:
        """Return the RFC 29 string; order and repeats are kept."""
        parts: list[str] = []
        run: _Run | None = None
        for host in self._hosts:
            prefix, number = _split_number(host)
            if run is not None and number and run.accept(prefix, number):
                continue
            if run is not None:
                parts.append(run.encode())
            run = _Run(prefix, number) if number else None
            if run is None:
                parts.append(host)
        if run is not None:
            parts.append(run.encode())
        return ",".join(parts)

    def count(self) -> int:
        """Return the number of hosts."""
        return len(self._hosts)

    def append(self, *args: HostlistLike) -> int:
        """Append hosts; return how many were added."""
        before = len(self._hosts)
        for arg in args:
            if isinstance(arg, Hostlist):
                self._hosts.extend(arg._hosts)
            elif isinstance(arg, str | bytes):
                self._extend(as_text(arg, "a hostlist"))
            elif isinstance(arg, Iterable):
                for text in arg:
                    if not isinstance(text, str | bytes):
                        raise TypeError(f"Hostlist(): expected strings, got {type(text).__name__}")
                    self.append(text)
            else:
                raise TypeError(
                    "Hostlist(): expected a string or an iterable of strings, "
                    f"got {type(arg).__name__}"
                )
        return len(self._hosts) - before

    def _extend(self, text: str) -> None:
        before = len(self._hosts)
        for part in _split_expressions(text):
            self._hosts.extend(_expand(part))
            if len(self._hosts) - before > MAX_HOSTS:
                raise _invalid(text)

    def delete(self, hosts: HostlistLike) -> int:
        """Remove the first occurrence of each of `hosts`; return how many were removed."""
        removed = 0
        for host in Hostlist(hosts):
            if host in self._hosts:
                self._hosts.remove(host)
                removed += 1
        return removed

    def index(self, hosts: HostlistLike, ignore_nomatch: bool = False) -> list[int]:
        """Return the position of the first of each of `hosts`. Raises FileNotFoundError if one is
        not there, unless ``ignore_nomatch``, which leaves it out.
        """
        first: dict[str, int] = {}
        for at, host in enumerate(self._hosts):
            first.setdefault(host, at)
        wanted = Hostlist(hosts)
        missing = next((host for host in wanted if host not in first), None)
        if missing is not None and not ignore_nomatch:
            raise FileNotFoundError(f"host '{missing}' not found")
        return [first[host] for host in wanted if host in first]

    def find(self, host: Text) -> int:
        """Return the position of the first `host`; FileNotFoundError if there is none."""
        name = as_text(host, "a host")
        if name not in self._hosts:
            raise FileNotFoundError(errno.ENOENT, f"{name} is not in the Hostlist")
        return self._hosts.index(name)

    def expand(self) -> list[str]:
        """Return the host names as a list."""
        return list(self._hosts)

    def copy(self) -> Hostlist:
        """Return an independent copy."""
        return Hostlist._of(list(self._hosts))

    def sort(self) -> Hostlist:
        """Sort the hosts by prefix and number; return self."""
        self._hosts.sort(key=_sort_key)
        return self

    def uniq(self) -> Hostlist:
        """Sort and drop duplicates; return self."""
        self._hosts = sorted(set(self._hosts), key=_sort_key)
        return self


class HostlistIterator:
    """Iterate over the names of a Hostlist by position."""

    def __init__(self, hostlist: Hostlist) -> None:
        self._hostlist = hostlist
        self._next = 0

    def __iter__(self) -> HostlistIterator:
        return self

    def __next__(self) -> str:
        if self._next >= len(self._hostlist):
            raise StopIteration
        self._next += 1
        return self._hostlist[self._next - 1]


def decode(arg: Text | Iterable[Text]) -> Hostlist:
    """Return the Hostlist of an RFC 29 string or of an iterable of them; ValueError if one is
    malformed.
    """
    return Hostlist(arg)
