"""The shape that the job manager relies on in a jobspec, which a job submitted without validation
may not have.
"""

from __future__ import annotations

from typing import Final

from flux.wire import json

JOBSPEC_MAX: Final = 1 << 20
"""Bytes up to which a jobspec may grow by changes of it."""


def check_shape(jobspec: object) -> None:
    """Raise ValueError unless a jobspec that nobody validated has the shape that is relied on
    here.
    """
    if not isinstance(jobspec, dict):
        raise ValueError("jobspec must be an object")
    attributes = jobspec.get("attributes") or {}
    if not isinstance(attributes, dict):
        raise ValueError("attributes must be an object")
    if not isinstance(attributes.get("system") or {}, dict):
        raise ValueError("attributes.system must be an object")


def check_changed(changed: object, before: object) -> None:
    """Raise ValueError unless a jobspec that was ``before`` has the shape that is relied on, can be
    sent to others, and has not grown beyond ``JOBSPEC_MAX``.

    Each change may be small: it is what they come to that counts.
    """
    check_shape(changed)
    try:
        text = json.dumps(changed)
    except json.JSONEncodeError as exc:
        raise ValueError(f"jobspec: {exc}") from None
    try:
        json.loads(text)
    except ValueError as exc:
        raise ValueError(f"jobspec: {exc}") from None
    if len(text) > JOBSPEC_MAX and len(text) > len(json.dumps(before)):
        raise ValueError(f"the jobspec would have more than {JOBSPEC_MAX} bytes")
