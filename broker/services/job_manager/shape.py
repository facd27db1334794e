"""The shape that the job manager relies on in a jobspec, which a job submitted without validation
may not have.
"""

from __future__ import annotations


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
