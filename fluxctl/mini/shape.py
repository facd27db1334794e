"""Resources that are asked for as a whole: by their shape (RFC 46), or as JSON in a file."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from flux.wire import json
from fluxctl.mini.options import MiniOptions, failure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flux.job.Jobspec import JobspecV1

COUNTS = ("ntasks", "nslots", "nodes", "cores", "tasks_per_node", "tasks_per_core")
SIZES = ("cores_per_task", "gpus_per_task", "gpus_per_node", "cores_per_slot", "gpus_per_slot")


def is_shaped(options: MiniOptions) -> bool:
    """Return whether the resources are given as a whole."""
    return bool(options.resources_shape or options.resources_json)


def counted(options: MiniOptions) -> MiniOptions:
    """Return the options without those that count resources, if they are given as a whole: then the
    others do not count.
    """
    if not is_shaped(options):
        return options
    nothing: dict[str, Any] = dict.fromkeys((*COUNTS, *SIZES))
    return dataclasses.replace(options, **{**nothing, "exclusive": False, "nslots": "1"})


def shape(jobspec: JobspecV1, options: MiniOptions) -> None:
    """Give a jobspec the resources that are asked for as a whole, and a task in each slot.

    Raises CommandError for a shape or file that makes no sense, OSError.
    """
    if not is_shaped(options):
        return
    resources = _resources(options)
    jobspec.jobspec["resources"] = resources
    label = next(_labels(resources), None)
    for task in jobspec.tasks:
        task["count"] = {"per_slot": 1}
        if label is not None:
            task["slot"] = label


def _resources(options: MiniOptions) -> list[Any]:
    if options.resources_shape and options.resources_json:
        raise failure(
            "`--resources-shape` and `--resources-json` are mutually exclusive arguments. "
            "Use only one."
        )
    if options.resources_shape:
        from flux.shape.parser import ShapeParser, ShapeSyntaxError

        try:
            return ShapeParser().parse(options.resources_shape)
        except ShapeSyntaxError as error:
            raise failure(error) from None
    return _from_file(options.resources_json or "")


def _from_file(path: str) -> list[Any]:
    """Return the resources in a file: a list, or an object (a jobspec) that has it."""
    try:
        with open(path, encoding="utf-8") as file:
            found = json.loads(file.read())
    except FileNotFoundError as error:
        raise failure(f"{error.strerror}: {path!r}") from None
    except ValueError as error:
        raise failure(f"--resources-json: {path}: {error}") from None
    resources = found.get("resources") if isinstance(found, dict) else found
    if not isinstance(resources, list) or not resources:
        raise failure(f"--resources-json: {path}: there is no list of resources in it")
    if not all(isinstance(vertex, dict) for vertex in resources):
        raise failure(f"--resources-json: {path}: a resource is an object")
    return resources


def _labels(resources: list[Any]) -> Iterator[str]:
    """Yield the labels of the slots, in order."""
    for vertex in resources:
        if isinstance(vertex, dict):
            if vertex.get("type") == "slot" and isinstance(vertex.get("label"), str):
                yield vertex["label"]
            inner = vertex.get("with")
            yield from _labels(inner if isinstance(inner, list) else [])
