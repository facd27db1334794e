"""Numbers of a resource that a jobspec may ask for (RFC 14)."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping

from flux.idset import IDset

_STEPS: Mapping[str, Callable[[int, int], int]] = {
    "+": operator.add,
    "*": operator.mul,
    "^": operator.pow,
}


class ResourceCount:
    """A range of numbers from ``min`` to ``max``, None for no end; if ``values`` are given, only
    these.
    """

    __slots__ = ("max", "min", "values")

    def __init__(self, mn: int, mx: int | None, values: Iterable[int] | None = None) -> None:
        self.min = mn
        self.max = mx
        self.values = None if values is None else tuple(sorted(values))

    def __repr__(self) -> str:
        chosen = "" if self.values is None else f", values={list(self.values)}"
        return f"ResourceCount({self.min}, {self.max}{chosen})"

    @classmethod
    def from_count_spec(cls, v: object, default: int = 1) -> ResourceCount:
        """Return the numbers that a ``count`` of a jobspec allows: a number, a range with operator
        and operand, or an idset; None for ``default``. Raises ValueError for what is none of these.
        """
        if v is None:
            return cls(default, default)
        if isinstance(v, int) and not isinstance(v, bool):
            return cls(v, v)
        if isinstance(v, str):
            numbers = list(IDset(v))
            if not numbers:
                raise ValueError("a count is not empty")
            return cls(numbers[0], numbers[-1], numbers)
        if not isinstance(v, Mapping) or not isinstance(v.get("min"), int):
            raise ValueError(f"invalid count: {v!r}")
        most = v.get("max")
        return cls(v["min"], most, None if most is None else _steps(v, most))

    def scaled(self, factor: int) -> ResourceCount:
        """Return the numbers times ``factor``."""
        values = None if self.values is None else [value * factor for value in self.values]
        return ResourceCount(
            self.min * factor, None if self.max is None else self.max * factor, values
        )

    def valid_counts(self, available: int) -> list[int]:
        """Return the numbers that are at most ``available``, the largest first."""
        if self.values is not None:
            return [value for value in reversed(self.values) if value <= available]
        top = available if self.max is None else min(self.max, available)
        return list(range(top, self.min - 1, -1))


def _steps(count: Mapping[str, object], most: int) -> list[int]:
    sign, operand = count.get("operator", "+"), count.get("operand", 1)
    step = _STEPS.get(str(sign))
    if step is None or not isinstance(operand, int):
        raise ValueError(f"invalid operator of a count: {sign!r}")
    value = int(str(count["min"]))
    found: list[int] = []
    while value <= most and value not in found[-1:]:
        found.append(value)
        value = step(value, operand)
    return found
