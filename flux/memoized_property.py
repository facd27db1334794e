"""A property that is computed once per object (flux.memoized_property in the manual)."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Callable

S = TypeVar("S")
T = TypeVar("T")


def memoized_property(fget: Callable[[S], T]) -> T:
    """Return a property that calls its getter on the first access only and keeps the value on the
    object, as ``_NAME``. What the value was made from may change later: the property does not.
    """
    name = "_" + fget.__name__

    def getter(self: S) -> T:
        # Not by way of __dict__ or __getattr__, which classes such as JobInfo make of their own.
        try:
            value: T = object.__getattribute__(self, name)
        except AttributeError:
            value = fget(self)
            object.__setattr__(self, name, value)
        return value

    # Read on an object it is the value: that is what type checkers shall see.
    return cast("T", property(getter, doc=fget.__doc__))
