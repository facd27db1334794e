"""What jobspecs of any version have (RFC 14): their sections, read from YAML, written as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import IO, TYPE_CHECKING, Any, ClassVar

from flux.job.jobspec_options import JobspecOptions
from flux.job.jobspec_rules import check_resource, check_task, is_list, require
from flux.wire import json

if TYPE_CHECKING:
    from flux.job.types import ResourceVertex as Resource
    from flux.job.types import TaskObject
    from flux.wire.json import JsonMapping, JsonObject


def _resource_count(resource: JsonMapping) -> int:
    count = resource["count"]
    return int(count["min"] if isinstance(count, Mapping) else count)


class Jobspec(JobspecOptions):
    """A job specification (RFC 14): the sections ``resources``, ``tasks`` and ``attributes``, its
    ``version``, and by name whatever other top-level keys it has, which are kept as they are.

    Raises ValueError if a section lacks something or has a bad value, TypeError if something in it
    is of the wrong type.
    """

    top_level_keys: ClassVar[set[str]] = {"attributes", "resources", "tasks", "version"}

    def __init__(
        self,
        resources: Sequence[Resource],
        tasks: Sequence[TaskObject],
        attributes: JsonMapping | None = None,
        version: int = 1,
        **kwargs: object,
    ) -> None:
        require(
            isinstance(version, int) and not isinstance(version, bool),
            TypeError,
            "version must be an integer",
        )
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
        self.jobspec: JsonObject = {"resources": resources, "tasks": tasks}
        if attributes is not None:
            self.jobspec["attributes"] = attributes
        self.jobspec |= {"version": version, **kwargs}

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

    def __str__(self) -> str:
        return str(self.jobspec)

    def __repr__(self) -> str:
        resources, tasks, *rest = self.jobspec.items()
        words = [repr(resources[1]), repr(tasks[1]), *(f"{key}={value!r}" for key, value in rest)]
        return f"{type(self).__name__}({', '.join(words)})"

    def __iter__(self) -> Iterator[Resource]:
        """Yield the resources, each before those in it."""
        return (resource for _, resource, _ in self.resource_walk())

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
