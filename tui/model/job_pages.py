"""The pages of one job besides its logs: jobspec, R, environment, and all that is known of it."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, NamedTuple

from flux.hostlist import Hostlist
from flux.idset import IDset
from flux.job.describe import allocation, queue_name, requested, system_text, time_limit
from flux.job.why import ending
from tui.model import format as fmt
from tui.model import reasons
from tui.model.jobid import f58
from tui.model.logs import Line
from tui.model.outline import as_json, outline
from tui.model.states import DONE, PENDING, STATUS, Status
from tui.model.users import user_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from flux.wire.json import JsonMapping
    from tui.model.dashboard import Dashboard
    from tui.model.job_logs import JobLines


class Stored(NamedTuple):
    """What was looked up of a job; None for what was not found (yet)."""

    jobspec: JsonMapping | None = None
    resources: JsonMapping | None = None


class KvsKey(NamedTuple):
    """One key of a job in the KVS: a directory, or the bytes of a value."""

    name: str
    kind: str
    size: int | None = None


def command(jobspec: JsonMapping | None) -> str:
    """Return a job's command as one would type it; empty if it has none."""
    tasks = (jobspec or {}).get("tasks")
    task = tasks[0] if isinstance(tasks, list) and tasks else None
    words = task.get("command") if isinstance(task, dict) else None
    if isinstance(words, list):
        return shlex.join(map(str, words))
    return words if isinstance(words, str) else ""


def jobspec_page(jobspec: JsonMapping, raw: bool) -> list[Line]:
    """Return a jobspec without its environment, which has a page of its own; all of it if
    ``raw``.
    """
    if raw:
        return as_json(jobspec)
    attributes = jobspec.get("attributes")
    system = attributes.get("system") if isinstance(attributes, dict) else None
    if not isinstance(attributes, dict) or not isinstance(system, dict):
        return outline(jobspec)
    environment = system.get("environment")
    if not isinstance(environment, dict) or not environment:
        return outline(jobspec)
    brief = {**system, "environment": f"{len(environment)} variables on a page of their own"}
    return outline({**jobspec, "attributes": {**attributes, "system": brief}})


def environment_page(jobspec: JsonMapping, raw: bool) -> list[Line]:
    """Return the environment a job's tasks get, by name."""
    attributes = jobspec.get("attributes")
    system = attributes.get("system") if isinstance(attributes, dict) else None
    environment = system.get("environment") if isinstance(system, dict) else None
    if not isinstance(environment, dict):
        return []
    if raw:
        return as_json(environment)
    return [
        Line("setting", "", fmt.printable(f"{name}={value}"))
        for name, value in sorted(environment.items())
    ]


def resources_page(resources: JsonMapping, raw: bool) -> list[Line]:
    """Return an R: what each rank gives in a line of its own, then the object."""
    if raw:
        return as_json(resources)
    return [*_rank_lines(resources), Line("text", "", ""), *outline(resources)]


def _rank_lines(resources: JsonMapping) -> Iterator[Line]:
    found = allocation(resources)
    try:
        ranks, hosts = list(IDset(found.ranks)), list(Hostlist(found.nodelist))
    except ValueError:
        ranks, hosts = [], []
    named = dict(zip(ranks, hosts, strict=False))
    execution = resources.get("execution")
    entries = execution.get("R_lite") if isinstance(execution, dict) else None
    for entry in entries if isinstance(entries, list) else ():
        if not isinstance(entry, dict):
            continue
        children = entry.get("children")
        parts = [
            f"{kind} {ids}"
            for kind, ids in (children if isinstance(children, dict) else {}).items()
        ]
        text = str(entry.get("rank", "?"))
        host = f" ({named[int(text)]})" if text.isdecimal() and int(text) in named else ""
        yield Line("head", "", fmt.printable(f"rank {text}{host}: {', '.join(parts)}"))


def description(dashboard: Dashboard, jobid: int, stored: Stored, logs: JobLines) -> list[Line]:
    """Return everything that is known of a job on one page."""
    row = dashboard.table.row_of.get(jobid)
    if row is None:
        return [Line("notice", "", f"job {f58(jobid)} is not in the list of this instance")]
    sections = (
        ("Job", _identity(dashboard, row)),
        ("State", _state(dashboard, row)),
        ("Times", _times(dashboard, row, logs)),
        ("Asked for", _request(stored.jobspec)),
        ("Got", _placement(dashboard, row, stored.resources)),
        ("Happened", _happenings(dashboard, logs)),
        ("Output", [("file", path) for path in logs.files]),
    )
    lines: list[Line] = []
    for title, facts in sections:
        lines += _section(title, facts)
    for title, value in _objects(dashboard, row, stored.jobspec):
        lines += [Line("head", "", title), *_indented(outline(value)), Line("text", "", "")]
    return lines[:-1]


def _section(title: str, facts: Iterable[tuple[str, str]]) -> list[Line]:
    shown = [(name, value) for name, value in facts if value and value != "-"]
    if not shown:
        return []
    body = [Line("pair", "", fmt.printable(f"  {name + ':':<15} {value}")) for name, value in shown]
    return [Line("head", "", title), *body, Line("text", "", "")]


def _indented(lines: Iterable[Line]) -> list[Line]:
    return [line._replace(text=f"  {line.text}") for line in lines]


def _identity(dashboard: Dashboard, row: int) -> list[tuple[str, str]]:
    table = dashboard.table
    jobid, userid = table.ids[row], table.userid[row]
    return [
        ("id", f58(jobid)),
        ("decimal", str(jobid)),
        ("name", table.name[row]),
        ("user", f"{user_name(userid)} ({userid})" if userid >= 0 else ""),
    ]


def _state(dashboard: Dashboard, row: int) -> list[tuple[str, str]]:
    table, now = dashboard.table, dashboard.moment
    status = Status(table.status[row])
    ended = table.waitstatus[row]
    pending = status in PENDING
    unsuccessful = status in DONE and status != Status.COMPLETED
    return [
        ("status", STATUS[status].word),
        ("waits for", reasons.why_pending(table, row, now) if pending else ""),
        ("because", reasons.why_failed(table, row) if unsuccessful else ""),
        ("tasks ended", f"{ending(ended)} (status {ended})" if ended >= 0 else ""),
        ("urgency", str(table.urgency[row])),
        ("priority", str(table.priority[row]) if table.priority[row] >= 0 else ""),
        ("dependencies", ", ".join(map(str, table.dependencies.get(row, ())))),
    ]


def _times(dashboard: Dashboard, row: int, logs: JobLines) -> list[tuple[str, str]]:
    table, now = dashboard.table, dashboard.moment
    times = [
        (name, fmt.clock(stamp, now))
        for name, stamp in (
            ("submitted", table.t_submit[row]),
            ("got resources", table.t_run[row]),
            ("tasks ended", table.t_cleanup[row]),
            ("ended", table.t_inactive[row]),
            ("ends at most", table.expiration[row] if table.t_run[row] else 0.0),
        )
    ]
    spans = [(f"in {phase.name}", fmt.duration(phase.seconds(now))) for phase in logs.story.phases]
    return [*times, *spans]


def _request(jobspec: JsonMapping | None) -> list[tuple[str, str]]:
    if jobspec is None:
        return []
    found = requested(jobspec)
    numbers = (
        ("tasks", found.ntasks),
        ("slots", found.nslots),
        ("nodes", found.nnodes),
        ("cores", found.ncores),
    )
    limit = time_limit(jobspec)
    return [
        ("command", command(jobspec)),
        ("directory", system_text(jobspec, "cwd") or ""),
        ("queue", queue_name(jobspec) or ""),
        *((name, str(number)) for name, number in numbers if number is not None),
        ("time limit", fmt.duration(limit) if limit else "none"),
    ]


def _placement(
    dashboard: Dashboard, row: int, resources: JsonMapping | None
) -> list[tuple[str, str]]:
    table = dashboard.table
    found = allocation(resources) if resources is not None else None
    return [
        ("nodes", str(table.nnodes[row]) if table.ranks[row] else ""),
        ("cores", str(found.ncores) if found else ""),
        ("ranks", table.ranks[row]),
        ("hosts", table.nodelist[row]),
        ("resources", table.where[row]),
    ]


def _happenings(dashboard: Dashboard, logs: JobLines) -> list[tuple[str, str]]:
    now = dashboard.moment
    facts = [(fmt.clock(mark.at, now), f"{mark.kind} {mark.text}") for mark in logs.story.marks]
    raised = logs.story.raised
    if raised is not None:
        by = f" by {user_name(raised.userid)}" if raised.userid >= 0 else ""
        note = f": {raised.note}" if raised.note else ""
        facts.append(("gravest", f"{raised.kind} (severity {raised.severity}){by}{note}"))
    return facts


def _objects(
    dashboard: Dashboard, row: int, jobspec: JsonMapping | None
) -> Iterator[tuple[str, object]]:
    notes = dashboard.table.annotations_of(row)
    if notes:
        yield "Annotations", notes
    attributes = (jobspec or {}).get("attributes")
    if isinstance(attributes, dict):
        user = {name: value for name, value in attributes.items() if name != "system"}
        system = attributes.get("system")
        shell = system.get("shell") if isinstance(system, dict) else None
        if shell:
            yield "Shell options", shell
        if user:
            yield "Attributes", user


def keys_page(keys: Iterable[KvsKey]) -> list[Line]:
    """Return the keys of a job in the KVS, sizes at the left."""
    return [
        Line(
            "head" if key.kind == "dir" else "text",
            fmt.printable(
                f"{fmt.count(key.size):>9}" if key.size is not None else f"{key.kind:>9}"
            ),
            fmt.printable(key.name),
        )
        for key in keys
    ]
