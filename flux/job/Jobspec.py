"""Job specifications: building, reading and checking them (RFC 14, RFC 25; flux.job.Jobspec in the
manual).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from flux.job.jobspec_base import Jobspec
from flux.job.jobspec_options import batch_script
from flux.job.jobspec_rules import check_per_resource, check_v1_resources, require
from flux.job.jobspec_shape import shape_of_counts, shape_of_slots
from flux.job.jobspec_v1 import BATCH_OUTPUT
from flux.job.jobspec_v1 import validate as validate_v1
from flux.wire import json
from flux.wire.text import as_integer

if TYPE_CHECKING:
    from typing import Unpack

    from flux.job.jobspec_options import Configuration, Duration, JobExtras, Path
    from flux.job.types import ResourceVertex as Resource
    from flux.job.types import TaskCount, TaskObject
    from flux.wire.json import JsonMapping

__all__ = ["Jobspec", "JobspecV1", "validate_jobspec"]


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


class JobspecV1(Jobspec):
    """A jobspec of version 1 (RFC 25): one slot of cores and GPUs, on nodes or not, and one
    task.
    """

    def __init__(
        self,
        resources: Sequence[Resource],
        tasks: Sequence[TaskObject],
        attributes: JsonMapping | None = None,
        version: int = 1,
        **kwargs: object,
    ) -> None:
        require(version == 1, ValueError, "version must be 1")
        super().__init__(resources, tasks, attributes, version, **kwargs)
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
        return cls._shaped(shape_of_counts(command, tasks, cores, gpus, nodes, exclusive))

    @classmethod
    def _shaped(cls, shape: tuple[Resource, TaskObject]) -> JobspecV1:
        resource, task = shape
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
        **kwargs: Unpack[JobExtras],
    ) -> JobspecV1:
        """Return the jobspec of a command on so many cores, nodes or both, which the cores are
        spread over evenly; nodes without a number of cores are got whole, as with ``exclusive``.

        There is a task on each core, or on each node if these are given, or as many as
        ``per_resource_count`` on each ``per_resource_type``, which is ``node`` or ``core``. Each
        node has ``gpus_per_node`` GPUs. Other arguments are those of `from_command`. Raises
        ValueError if a number is out of range or does not
        go with another, TypeError if the command is not made of strings.
        """
        check_per_resource(ncores, nnodes, per_resource_type, per_resource_count, gpus_per_node)
        require(
            nnodes is not None or not exclusive,
            ValueError,
            "exclusive can only be set with a node count",
        )
        one: TaskCount = {"per_slot": 1}
        if nnodes is None:
            shape = shape_of_slots(command, ncores or 1, 1, None, None, exclusive, one)
        else:
            cores = ncores // nnodes if ncores is not None else 1
            whole = exclusive or ncores is None
            shape = shape_of_slots(command, 1, cores, gpus_per_node, nnodes, whole, one)
        made = cls._shaped(shape)
        if per_resource_type is not None:
            share = {"type": per_resource_type, "count": per_resource_count or 1}
            made.setattr_shell_option("per-resource", share)
        return made.set_extras(**kwargs)

    @classmethod
    def from_command(
        cls,
        command: Iterable[str],
        num_tasks: int = 1,
        cores_per_task: int = 1,
        gpus_per_task: int | None = None,
        num_nodes: int | None = None,
        exclusive: bool = False,
        duration: Duration | None = None,
        environment: Mapping[str, str] | None = None,
        env_expand: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        rlimits: Mapping[str, int] | None = None,
        name: str | None = None,
        input: Path | None = None,
        output: Path | None = None,
        error: Path | None = None,
        label_io: bool = False,
        unbuffered: bool = False,
        queue: str | None = None,
        bank: str | None = None,
    ) -> JobspecV1:
        """Return the smallest jobspec that runs a command, given as a list of words.

        It is run ``num_tasks`` times, each task with ``cores_per_task`` cores and ``gpus_per_task``
        GPUs of its own. The tasks are spread over ``num_nodes`` nodes; None leaves the nodes to the
        scheduler. With ``exclusive`` the job gets these nodes whole. Other arguments are those of
        `set_extras`. Raises ValueError if a count or another value is out of range or the command
        is empty, TypeError if the command is not made of strings.
        """
        made = cls._from_counts(
            command, num_tasks, cores_per_task, gpus_per_task, num_nodes, exclusive
        )
        return made.set_extras(
            duration=duration,
            environment=environment,
            env_expand=env_expand,
            cwd=cwd,
            rlimits=rlimits,
            name=name,
            input=input,
            output=output,
            error=error,
            label_io=label_io,
            unbuffered=unbuffered,
            queue=queue,
            bank=bank,
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
        conf: Configuration = None,
        **kwargs: Unpack[JobExtras],
    ) -> JobspecV1:
        """Return a jobspec of a nested instance whose initial program is a script that travels with
        the job (flux-mini(1), ``batch``).

        ``script`` is the text of the script, which begins with ``#!``; ``jobname`` is the job's
        name, ``args`` are the script's arguments. The instance gets ``num_slots`` slots of
        ``cores_per_slot`` cores and ``gpus_per_slot`` GPUs, on ``num_nodes`` nodes if that is
        given, which it gets whole with ``exclusive``; its brokers get the options ``broker_opts``
        and the configuration ``conf``, as `BatchConfig` takes it. Other arguments are those of
        `from_command`. Raises ValueError if the script has no interpreter line or a value is out of
        range.
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
        options = made.add_configuration(conf, broker_opts)
        made.setattr("system.batch", {"script": script, "broker-opts": options})
        return made.set_extras(**kwargs)

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
        conf: Configuration = None,
        **kwargs: Unpack[JobExtras],
    ) -> JobspecV1:
        """Return a jobspec of a nested instance whose initial program is a command, given as a list
        of words (flux-mini(1), ``alloc``).

        The size of the instance, ``broker_opts``, ``exclusive``, ``conf`` and the other arguments
        are those of `from_batch_command`. Raises ValueError if a value is out of range.
        """
        broker = ["flux", "broker"]
        made = cls._from_counts(
            broker, num_slots, cores_per_slot, gpus_per_slot, num_nodes, exclusive
        )
        made.setattr_shell_option("per-resource.type", "node")
        options = made.add_configuration(conf, broker_opts)
        made.tasks[0]["command"] = [*broker, *options, *command]
        validate_v1(made.jobspec)
        return made.set_extras(**kwargs)

    @classmethod
    def from_submit(
        cls,
        command: Iterable[str],
        *,
        ntasks: int = 1,
        nodes: int | None = None,
        cores_per_task: int = 1,
        gpus_per_task: int | None = None,
        exclusive: bool = False,
        **kwargs: object,
    ) -> JobspecV1:
        """Return the jobspec that ``flux submit`` would make of a command: `from_command`, then
        `apply_options`.

        ``ntasks`` tasks on ``nodes`` nodes; the other arguments are those of the two, by their
        names. The job gets the environment and the usual resource limits of this process, unless
        ``env`` and ``rlimit`` say otherwise. Raises TypeError for an argument that neither has,
        ValueError for a value that is out of range.
        """
        made = cls._from_counts(command, ntasks, cores_per_task, gpus_per_task, nodes, exclusive)
        return made.as_submitted("submit", kwargs)

    @classmethod
    def from_alloc(
        cls,
        *,
        nslots: int | None = None,
        nodes: int | None = None,
        cores_per_slot: int = 1,
        gpus_per_slot: int | None = None,
        exclusive: bool = False,
        broker_opts: Iterable[str] | None = None,
        conf: Configuration = None,
        bg: bool = False,
        **kwargs: object,
    ) -> JobspecV1:
        """Return the jobspec that ``flux alloc`` would make, without a command: an instance of
        ``nslots`` slots, or one slot on each of ``nodes`` nodes, which it gets whole then.

        With ``bg`` it has no initial program, and runs until it is shut down. The other arguments
        and errors are those of `from_nest_command` and `apply_options`.
        """
        from flux.job.options.configuration import NO_PROGRAM

        if nslots is None and nodes is None:
            raise ValueError("from_alloc() requires nslots or nodes")
        options = [*(broker_opts or ()), *([NO_PROGRAM] if bg else ())]
        made = cls.from_nest_command(
            [],
            nslots if nslots is not None else nodes or 0,
            cores_per_slot,
            gpus_per_slot,
            nodes,
            options,
            exclusive or nslots is None,
            conf,
        )
        if bg:
            made.setattr_shell_option("pty.capture", 1)
        return made.as_submitted("alloc", kwargs, here=True)

    @classmethod
    def from_batch(
        cls,
        script: Path | None = None,
        *,
        content: str | None = None,
        nslots: int | None = None,
        nodes: int | None = None,
        cores_per_slot: int = 1,
        gpus_per_slot: int | None = None,
        exclusive: bool = False,
        broker_opts: Iterable[str] | None = None,
        conf: Configuration = None,
        wrap: bool = False,
        **kwargs: object,
    ) -> JobspecV1:
        """Return the jobspec that ``flux batch`` would make of the file ``script``, or of the text
        ``content``; with ``wrap`` one without ``#!`` is for ``/bin/sh``.

        There is one slot unless ``nslots`` or ``nodes`` say more, as in `from_alloc`. Output goes
        to the file of batch jobs, and the name is the script's, unless the arguments say otherwise.
        The others and the errors are those of `from_batch_command` and `apply_options`. Raises
        TypeError unless there is one script, OSError if it cannot be read.
        """
        text, name = batch_script(script, content, wrap)
        each = nslots is None and nodes is not None
        made = cls.from_batch_command(
            text,
            name,
            None,
            nodes if each and nodes is not None else 1 if nslots is None else nslots,
            cores_per_slot,
            gpus_per_slot,
            nodes,
            broker_opts,
            exclusive or each,
            conf,
        )
        named = {"name": name, "output": BATCH_OUTPUT, **kwargs}
        return made.as_submitted("batch", named, here=True)
