"""Job specifications: building, reading and checking them (RFC 14, RFC 25; flux.job.Jobspec in the
manual).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import IO, TYPE_CHECKING, Any, ClassVar

from flux.job.jobspec_attributes import JobspecAttributes
from flux.job.jobspec_rules import (
    check_per_resource,
    check_resource,
    check_task,
    check_v1_resources,
    is_count,
    is_list,
    require,
)
from flux.job.jobspec_v1 import validate as validate_v1
from flux.wire import json
from flux.wire.text import as_integer

if TYPE_CHECKING:
    from flux.job.types import ResourceVertex as Resource
    from flux.job.types import TaskCount, TaskObject
    from flux.wire.json import JsonMapping, JsonObject


def validate_jobspec(
    jobspec: Jobspec | str | bytes | JsonMapping, require_version: int | None = None
) -> bool:
    """Return True if a jobspec is valid (RFC 14, RFC 25); raise if it is not.

    ``jobspec`` is a `Jobspec`, its JSON text or the decoded object. It is checked against
    ``require_version``, by default against the version that it states itself. Raises ValueError if
    a key is missing or has a bad value, or the text is not JSON; TypeError if a value is of the
    wrong type.
    """
    if isinstance(jobspec, Jobspec):
        data: JsonMapping = jobspec.jobspec
    else:
        try:
            data = json.loads(jobspec) if isinstance(jobspec, str | bytes) else jobspec
        except json.JSONDecodeError:
            raise ValueError("Jobspec is not valid JSON") from None
    require(isinstance(data, Mapping), TypeError, "Jobspec must be a JSON object")
    missing = sorted(Jobspec.top_level_keys - set(data))
    require(not missing, ValueError, f"Missing key ({missing[0] if missing else ''})")
    version = data["version"]
    if require_version is not None:
        version = as_integer(require_version, "require_version")
    kind = JobspecV1 if version == 1 else Jobspec
    kind(**data)
    return True


def _resource_count(resource: JsonMapping) -> int:
    count = resource["count"]
    return int(count["min"] if isinstance(count, Mapping) else count)


class Jobspec(JobspecAttributes):
    """A job specification (RFC 14): the sections ``resources`` and ``tasks``, and by name
    ``attributes``, ``version`` and whatever other top-level keys it has, which are kept as they
    are.

    Raises ValueError if a section lacks something or has a bad value, TypeError if something in it
    is of the wrong type.
    """

    top_level_keys: ClassVar[set[str]] = {"attributes", "resources", "tasks", "version"}

    def __init__(
        self, resources: Sequence[Resource], tasks: Sequence[TaskObject], **kwargs: object
    ) -> None:
        version = kwargs.get("version", 1)
        require(
            isinstance(version, int) and not isinstance(version, bool),
            TypeError,
            "version must be an integer",
        )
        attributes = kwargs.get("attributes")
        if not isinstance(attributes, Mapping | None):
            raise TypeError("attributes must be a mapping")
        self._check_attributes(attributes or {})
        require(is_list(resources), TypeError, "resources must be a sequence")
        require(is_list(tasks), TypeError, "tasks must be a sequence")
        require(len(resources) > 0, ValueError, "resources must have at least one entry")
        for resource in resources:
            check_resource(resource)
        for task in tasks:
            check_task(task)
        self.jobspec: JsonObject = {"resources": resources, "tasks": tasks, **kwargs}

    def _check_attributes(self, attributes: JsonMapping) -> None:
        require(
            isinstance(attributes.get("system", {}), Mapping),
            TypeError,
            "attributes.system must be a mapping",
        )

    @classmethod
    def from_yaml_stream(cls, yaml_stream: str | IO[str]) -> Jobspec:
        """Return the jobspec of a YAML (or JSON) document; raises ValueError or TypeError if it is
        not a valid one.
        """
        import yaml

        try:
            data = yaml.safe_load(yaml_stream)
        except yaml.YAMLError as error:
            raise ValueError(f"jobspec: invalid YAML: {error}") from None
        return cls(**_sections(data))

    @classmethod
    def from_yaml_file(cls, filename: str) -> Jobspec:
        """Return the jobspec of a YAML file; OSError if it cannot be read."""
        with open(filename, encoding="utf-8") as stream:
            return cls.from_yaml_stream(stream)

    def dumps(self, **kwargs: Any) -> str:
        """Return the jobspec as JSON text; keyword arguments are those of json.dumps()."""
        from json import dumps

        return dumps(self.jobspec, **kwargs)

    def encode(self) -> bytes:
        """Return the jobspec as compact JSON bytes."""
        return json.dumps(self.jobspec)

    # Sections

    @property
    def resources(self) -> list[Resource]:
        """The resource section."""
        resources: list[Resource] = self.jobspec["resources"]
        return resources

    @property
    def tasks(self) -> list[TaskObject]:
        """The task section."""
        tasks: list[TaskObject] = self.jobspec["tasks"]
        return tasks

    @property
    def version(self) -> int:
        """Version of the jobspec."""
        version: int = self.jobspec["version"]
        return version

    def resource_walk(self) -> Iterator[tuple[Resource | None, Resource, int]]:
        """Yield (parent, resource, total count) of every resource, parents first, depth first."""

        def walk(
            resources: list[Resource], parent: Resource | None, factor: int
        ) -> Iterator[tuple[Resource | None, Resource, int]]:
            for resource in resources:
                count = _resource_count(resource) * factor
                yield parent, resource, count
                yield from walk(resource.get("with", []), resource, count)

        yield from walk(self.resources, None, 1)

    def resource_counts(self) -> dict[str, int]:
        """Return the total count of every resource type; units are ignored."""
        counts: dict[str, int] = {}
        for _, resource, count in self.resource_walk():
            counts[resource["type"]] = counts.get(resource["type"], 0) + count
        return counts


def _sections(data: object) -> JsonObject:
    if not isinstance(data, Mapping):
        raise TypeError("Jobspec must be a mapping")
    for key in sorted(Jobspec.top_level_keys):
        require(key in data, ValueError, f"Missing key ({key})")
    return {str(key): value for key, value in data.items()}


class JobspecV1(Jobspec):
    """A jobspec of version 1 (RFC 25): one slot of cores and GPUs, on nodes or not, and one
    task.
    """

    def __init__(
        self, resources: Sequence[Resource], tasks: Sequence[TaskObject], **kwargs: object
    ) -> None:
        kwargs.setdefault("version", 1)
        require(kwargs["version"] == 1, ValueError, "version must be 1")
        super().__init__(resources, tasks, **kwargs)
        require(len(tasks) == 1, ValueError, "tasks must have exactly one entry")
        check_v1_resources(resources)
        validate_v1(self.jobspec)

    def _check_attributes(self, attributes: JsonMapping) -> None:
        super()._check_attributes(attributes)
        require("system" in attributes, ValueError, "attributes.system is a required key")
        require(
            "duration" in attributes["system"],
            ValueError,
            "attributes.system.duration is a required key",
        )
        duration = attributes["system"]["duration"]
        require(
            isinstance(duration, int | float) and not isinstance(duration, bool),
            TypeError,
            "attributes.system.duration must be a number",
        )
        require(duration >= 0, ValueError, "attributes.system.duration must be >= 0")

    @classmethod
    def _from_counts(
        cls,
        command: Iterable[str],
        tasks: int,
        cores: int,
        gpus: int | None,
        nodes: int | None,
        exclusive: bool,
    ) -> JobspecV1:
        require(is_count(tasks), ValueError, "task count must be a integer >= 1")
        require(is_count(cores), ValueError, "cores per task must be an integer >= 1")
        require(
            gpus is None or is_count(gpus, 0), ValueError, "gpus per task must be an integer >= 0"
        )
        require(
            nodes is None or is_count(nodes),
            ValueError,
            "node count must be an integer >= 1 (if set)",
        )
        require(
            nodes is None or nodes <= tasks,
            ValueError,
            "node count must not be greater than task count",
        )
        require(
            nodes is not None or not exclusive,
            ValueError,
            "exclusive can only be set with a node count",
        )
        count: TaskCount = {"per_slot": 1}
        slots = tasks
        if nodes is not None:
            slots = math.ceil(tasks / nodes)
            if tasks % nodes:
                # The last node has fewer tasks than slots.
                count = {"total": tasks}
        return cls._of_slots(command, slots, cores, gpus, nodes, exclusive, count)

    @classmethod
    def _of_slots(
        cls,
        command: Iterable[str],
        slots: int,
        cores: int,
        gpus: int | None,
        nodes: int | None,
        exclusive: bool,
        count: TaskCount,
    ) -> JobspecV1:
        """Return a jobspec of slots, so many on each node if there are nodes."""
        children: list[Resource] = [{"type": "core", "count": cores}]
        if gpus:
            children.append({"type": "gpu", "count": gpus})
        resource: Resource = {"type": "slot", "count": slots, "with": children, "label": "task"}
        if nodes is not None:
            resource = {"type": "node", "count": nodes, "with": [resource]}
            if exclusive:
                resource["exclusive"] = True
        task: TaskObject = {"command": list(command), "slot": "task", "count": count}
        return cls([resource], [task], attributes={"system": {"duration": 0}}, version=1)

    @classmethod
    def per_resource(
        cls,
        command: Iterable[str],
        ncores: int | None = None,
        nnodes: int | None = None,
        per_resource_type: str | None = None,
        per_resource_count: int | None = None,
        gpus_per_node: int | None = None,
        exclusive: bool = False,
    ) -> JobspecV1:
        """Return the jobspec of a command on so many cores, nodes or both, which the cores are
        spread over evenly; nodes without a number of cores are got whole, as with ``exclusive``.

        There is a task on each core, or on each node if these are given, or as many as
        ``per_resource_count`` on each ``per_resource_type``, which is ``node`` or ``core``. Each
        node has ``gpus_per_node`` GPUs. Raises ValueError if a number is out of range or does not
        go with another, TypeError if the command is not made of strings.
        """
        check_per_resource(ncores, nnodes, per_resource_type, per_resource_count, gpus_per_node)
        one: TaskCount = {"per_slot": 1}
        if nnodes is None:
            made = cls._of_slots(command, ncores or 1, 1, None, None, exclusive, one)
        else:
            cores = ncores // nnodes if ncores is not None else 1
            whole = exclusive or ncores is None
            made = cls._of_slots(command, 1, cores, gpus_per_node, nnodes, whole, one)
        if per_resource_type is not None:
            share = {"type": per_resource_type, "count": per_resource_count or 1}
            made.setattr_shell_option("per-resource", share)
        return made

    @classmethod
    def from_command(
        cls,
        command: Iterable[str],
        num_tasks: int = 1,
        cores_per_task: int = 1,
        gpus_per_task: int | None = None,
        num_nodes: int | None = None,
        exclusive: bool = False,
    ) -> JobspecV1:
        """Return the smallest jobspec that runs a command, given as a list of words.

        It is run ``num_tasks`` times, each task with ``cores_per_task`` cores and ``gpus_per_task``
        GPUs of its own. The tasks are spread over ``num_nodes`` nodes; None leaves the nodes to the
        scheduler. With ``exclusive`` the job gets these nodes whole. Raises ValueError if a count
        is out of range or the command is empty, TypeError if the command is not made of strings.
        """
        return cls._from_counts(
            command, num_tasks, cores_per_task, gpus_per_task, num_nodes, exclusive
        )

    @classmethod
    def from_batch_command(
        cls,
        script: str,
        jobname: str,
        args: Iterable[str] | None = None,
        num_slots: int = 1,
        cores_per_slot: int = 1,
        gpus_per_slot: int | None = None,
        num_nodes: int | None = None,
        broker_opts: Iterable[str] | None = None,
        exclusive: bool = False,
    ) -> JobspecV1:
        """Return a jobspec of a nested instance whose initial program is a script that travels with
        the job (flux-mini(1), ``batch``).

        ``script`` is the text of the script, which begins with ``#!``; ``jobname`` is the job's
        name, ``args`` are the script's arguments. The instance gets ``num_slots`` slots of
        ``cores_per_slot`` cores and ``gpus_per_slot`` GPUs, on ``num_nodes`` nodes if that is
        given, which it gets whole with ``exclusive``; its brokers get the options ``broker_opts``.
        Raises ValueError if the script has no
        interpreter line or a count is out of range.
        """
        require(
            script.startswith("#!"), ValueError, f"{jobname} does not appear to start with '#!'"
        )
        made = cls._from_counts(
            [jobname, *(args or ())],
            num_slots,
            cores_per_slot,
            gpus_per_slot,
            num_nodes,
            exclusive,
        )
        made.setattr_shell_option("per-resource.type", "node")
        made.setattr("system.batch", {"script": script, "broker-opts": list(broker_opts or ())})
        return made

    @classmethod
    def from_nest_command(
        cls,
        command: Iterable[str],
        num_slots: int = 1,
        cores_per_slot: int = 1,
        gpus_per_slot: int | None = None,
        num_nodes: int | None = None,
        broker_opts: Iterable[str] | None = None,
        exclusive: bool = False,
    ) -> JobspecV1:
        """Return a jobspec of a nested instance whose initial program is a command, given as a list
        of words (flux-mini(1), ``alloc``).

        The size of the instance, ``broker_opts`` and ``exclusive`` are those of
        `from_batch_command`. Raises
        ValueError if a count is out of range.
        """
        broker = ["flux", "broker", *(broker_opts or ()), *command]
        made = cls._from_counts(
            broker, num_slots, cores_per_slot, gpus_per_slot, num_nodes, exclusive
        )
        made.setattr_shell_option("per-resource.type", "node")
        return made
