"""The requests of job-list for jobs that meet conditions, and the checks of what programs ask."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

from flux.wire.text import Text, as_number, as_optional_text, as_seconds, as_text


def list_request(
    max_entries: int,
    userid: int | None,
    states: int,
    results: int,
    queues: Iterable[str] | None,
    since: float,
    constraint: Mapping[str, object] | None,
) -> dict[str, object]:
    """Return the payload of a query but for the attributes; see `job_list`."""
    payload: dict[str, object] = {
        "max_entries": as_number(max_entries, "max_entries"),
        "userid": os.getuid() if userid is None else as_number(userid, "a user id"),
        "states": as_number(states, "states"),
        "results": as_number(results, "results"),
    }
    seconds = as_seconds(since, "since")
    if seconds:
        payload["since"] = seconds
    found = [] if constraint is None else [as_constraint(constraint)]
    if queues is not None:
        found.append({"queue": [as_text(name, "a queue") for name in queues]})
    if found:
        payload["constraint"] = found[0] if len(found) == 1 else {"and": found}
    return payload


def queue_names(
    queue: Text | Iterable[Text] | None, queues: Iterable[str] | None
) -> list[str] | None:
    """Return the queues that are asked for, None for all; TypeError for what names none."""
    if queue is None:
        return None if queues is None else list(queues)
    more = [queue] if isinstance(queue, str | bytes) else queue
    if isinstance(more, Mapping) or not isinstance(more, Iterable):
        raise TypeError(f"queue must be a text or several, not {type(queue).__name__}")
    return [*(queues or ()), *(as_text(one, "queue") for one in more)]


def condition_of(
    name: Text | None, constraint: Mapping[str, object] | None
) -> Mapping[str, object] | None:
    """Return what is asked for beside states, results, user and queues."""
    text = as_optional_text(name, "name")
    if not text:
        return constraint
    named: dict[str, object] = {"name": [text]}
    return named if constraint is None else {"and": [named, as_constraint(constraint)]}


def as_constraint(constraint: object) -> dict[str, object]:
    """Return a constraint as an object of its own; raises TypeError if it is none."""
    if not isinstance(constraint, Mapping):
        raise TypeError(f"constraint must be a dict, not {type(constraint).__name__}")
    return dict(constraint)
