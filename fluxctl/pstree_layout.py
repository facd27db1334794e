"""How ``flux pstree`` draws a node: formats over a job, and over what its instance knows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypedDict

from flux.job.info_format import JobInfoFormat
from fluxctl.errors import CommandError
from fluxctl.instance_tree import Facts, Layout
from fluxctl.list_output import read_format
from fluxctl.suggestions import suggestion

if TYPE_CHECKING:
    from flux.output_format import OutputFormat
    from fluxctl.instance_tree import Drawable


class Drawing(TypedDict):
    """The options that say how nodes are drawn."""

    every: bool
    parent_ids: bool
    label_format: str | None
    parent_format: str | None
    extended: bool
    detail_format: str | None
    details: str | None


DETAILS: Final = {
    "default": (
        "{id.f58:>12} {username:<8.8} {status_abbrev:>2.2} {ntasks:>6} {nnodes:>6h} "
        "{runtime!F:>8h} "
    ),
    "resources": (
        "{id.f58:>12} {nodes:>5} {nodes_used:>5} {cores:>5} {cores_used:>5} {gpus:>5} "
        "{gpus_used:>5} "
    ),
    "progress": (
        "{id.f58:>12} {ntasks:>6} {njobs:>6} {progress:>5} {core_share:>5} {gpu_share:>5} "
        "{runtime!H:>10h} "
    ),
    "stats": "{id.f58:>12} {stats:^25} {runtime!H:>10h} ",
}
"""Formats of details, by name."""

FACTS: Final = {
    "nodes": "NODES",
    "nodes_used": "USED",
    "cores": "CORES",
    "cores_used": "USED",
    "gpus": "GPUS",
    "gpus_used": "USED",
    "njobs": "NJOBS",
    "progress": "PROG",
    "core_share": "CORE%",
    "gpu_share": "GPU%",
    "stats": "STATS",
}
"""The fields that only an instance knows, and their headings; they are empty for other jobs."""


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.3g}%" if whole else ""


_TODAYS: Final = {"status": "phase", "status_abbrev": "phase_abbrev"}
"""Fields by their names here, where a command of today shows them, and in those of 0.29."""


class _Row:
    """A job with the fields of `FACTS`, and its status as today's commands have it."""

    def __init__(self, job: Drawable, facts: Facts | None) -> None:
        self._job = job
        values = dict.fromkeys(FACTS, "")
        if facts is not None:
            jobs = facts.pending + facts.running + facts.successful + facts.failed
            counts = (facts.pending, facts.running, facts.successful, facts.failed)
            named = zip(("PD", "R", "CD", "F"), counts, strict=True)
            values = {name: str(getattr(facts, name, "")) for name in FACTS} | {
                "njobs": str(jobs),
                "progress": _share(facts.successful + facts.failed, jobs),
                "core_share": _share(facts.cores_used, facts.cores),
                "gpu_share": _share(facts.gpus_used, facts.gpus),
                "stats": " ".join(f"{name}:{count}" for name, count in named),
            }
        self.__dict__.update(values)

    def __getattr__(self, name: str) -> object:
        return getattr(self._job, _TODAYS.get(name, name))


def _job_format(text: str) -> OutputFormat:
    headings = {**JobInfoFormat.headings, **FACTS}
    return read_format(headings, text, "ERROR: ")


def layout_of(drawing: Drawing) -> tuple[Layout, str | None, list[str]]:
    """Return how nodes are drawn, the headings of the details, None without these, and the
    attributes of jobs that are needed.

    Raises CommandError for a format that makes no sense.
    """
    from fluxctl.job_fields import attributes_of

    label_text = drawing["label_format"] or (
        "{name}:{status_abbrev}" if drawing["every"] else "{name}"
    )
    # How an instance is, is no news, unless it is asked for.
    parent_text = drawing["parent_format"] or drawing["label_format"] or "{name}"
    if drawing["parent_ids"]:
        parent_text = f"{{id.f58}} {parent_text}"
    label, parent = _job_format(label_text), _job_format(parent_text)
    fields = [*label.fields, *parent.fields]
    detail = _detail(drawing)
    if detail is not None:
        fields += detail.fields

    def row(layout: OutputFormat, job: Drawable, facts: Facts | None = None) -> str:
        try:
            return layout.format(_Row(job, facts))
        except ValueError as exc:
            raise CommandError(f"ERROR: {exc}") from None

    made = Layout(
        lambda job: row(label, job),
        lambda job: row(parent, job),
        lambda job, facts: "" if detail is None else row(detail, job, facts),
        detail is not None and not set(detail.fields).isdisjoint(FACTS),
    )
    needed = attributes_of(field for field in fields if field not in FACTS)
    return made, None if detail is None else detail.header(), needed


def _detail(drawing: Drawing) -> OutputFormat | None:
    """Return the format of the details, None if there are to be none."""
    if drawing["detail_format"]:
        return _job_format(f"{drawing['detail_format']} ")
    name = drawing["details"] or ("default" if drawing["extended"] else None)
    if name is None:
        return None
    if name not in DETAILS:
        hint = suggestion(name, DETAILS)
        raise CommandError(f"ERROR: Unknown --details format '{name}'", hint=hint)
    return _job_format(DETAILS[name])
