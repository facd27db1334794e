"""Annotations of a job as attributes (RFC 27)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flux.wire.json import JsonMapping


class AnnotationsInfo:
    """Annotations of a job (RFC 27) as attributes, made from the object that ``job-list`` returns;
    what does not exist is empty, at any depth.
    """

    def __init__(self, annotationsDict: JsonMapping) -> None:
        self.annotationsDict = annotationsDict

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        value = self.annotationsDict.get(name)
        if value is None:
            return AnnotationsInfo({})
        return AnnotationsInfo(value) if isinstance(value, Mapping) else value

    def __bool__(self) -> bool:
        return bool(self.annotationsDict)

    def __str__(self) -> str:
        if not self.annotationsDict:
            return ""
        return spaced(self.annotationsDict)

    def __repr__(self) -> str:
        return str(self)

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)


def spaced(value: object) -> str:
    """Return JSON with a space after commas and colons, as the annotations column shows it."""
    from json import dumps

    return dumps(value, ensure_ascii=False)
