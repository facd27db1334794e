"""The sub-commands: where each is, and what ``flux help`` says of it, in its order (flux(1))."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import click


class SubCommand:
    """A sub-command, which is the attribute ``command`` of ``fluxctl.commands.NAME``, with an
    underscore for a hyphen.

    ``summary`` is its line in ``flux help``, empty for a command that is not listed there;
    ``listed`` is what that line calls it, if that is not its name.
    """

    # A plain class: every command imports it, and to make a NamedTuple takes a millisecond.
    __slots__ = ("listed", "name", "summary")

    def __init__(self, name: str, summary: str = "", listed: str = "") -> None:
        self.name = name
        self.summary = summary
        self.listed = listed

    def load(self) -> click.Command:
        """Import the command, which only happens when it is run or asked about."""
        import importlib

        module = importlib.import_module(f"fluxctl.commands.{self.name.replace('-', '_')}")
        command: click.Command = module.command
        return command


_SUBMIT = (
    SubCommand("submit", "submit a job to a Flux instance"),
    SubCommand("run", "run a Flux job interactively"),
    SubCommand("bulksubmit", "submit jobs in bulk to a Flux instance"),
    SubCommand("alloc", "allocate a new Flux instance for interactive use"),
    SubCommand("batch", "submit a batch script to Flux"),
    SubCommand("mini", "Minimal Job Submission Tool"),
)
_JOBS = (
    SubCommand("jobs", "list jobs submitted to Flux"),
    SubCommand("top", "live dashboard of a Flux instance"),
    SubCommand("job", "Job Housekeeping Tool"),
    SubCommand("watch", "follow the output of jobs"),
    SubCommand("cancel", "cancel one or more jobs"),
    SubCommand("pgrep", "list jobs by pattern", listed="pgrep/pkill"),
    SubCommand("pkill"),
    SubCommand("pstree", "display job hierarchies"),
    SubCommand("update", "change a job after its submission"),
    SubCommand("proxy", "Create proxy environment for Flux instance"),
    SubCommand("uri", "resolve Flux URIs"),
    SubCommand("priority", "show what the priorities of waiting jobs are made of"),
)
_INSTANCE = (
    SubCommand("resource", "list and control resources"),
    SubCommand("queue", "control the job queue"),
    SubCommand("uptime", "tell how long Flux has been up and running"),
    SubCommand("overlay", "look at the tree network of the brokers"),
    SubCommand("getattr", "Access, modify, and list broker attributes", listed="get,set,lsattr"),
    SubCommand("setattr"),
    SubCommand("lsattr"),
    SubCommand("dmesg", "manipulate broker log ring buffer"),
    SubCommand("module", "manage Flux extension modules"),
    SubCommand("ping", "measure round-trip latency to Flux services"),
    SubCommand("hwloc", "Control/query resource-hwloc service"),
    SubCommand("version", "Display flux version information"),
)
_OTHER = (
    SubCommand("start", "bootstrap a local Flux instance"),
    SubCommand("startlog", "list when an instance ran, and whether it ended well"),
    SubCommand("shutdown", "shut down a Flux instance"),
    SubCommand("config", "Read the configuration or have it read again"),
    SubCommand("env", "Print the flux environment or execute a command inside it"),
    SubCommand("exec", "Execute processes across flux ranks"),
    SubCommand("housekeeping", "list and end what runs on the nodes of jobs that are over"),
    SubCommand("sproc", "list, signal and wait for processes in the background"),
    SubCommand("archive", "Keep files in the KVS for jobs"),
    SubCommand("broker", "Invoke Flux message broker daemon"),
    SubCommand("content", "Access instance content storage"),
    SubCommand("cron", "Schedule tasks on timers and events"),
    SubCommand("dump", "Write a KVS snapshot to a portable archive"),
    SubCommand("event", "Send and receive Flux events"),
    SubCommand("hostlist", "fetch, combine and cut lists of hosts"),
    SubCommand("keygen", "Make the certificate that the brokers of an instance share"),
    SubCommand("kvs", "Flux key-value store utility"),
    SubCommand("logger", "create a Flux log entry"),
    SubCommand("restore", "Read a KVS snapshot from a portable archive"),
    SubCommand("modprobe", "load modules with what they require, run tasks of a file"),
    SubCommand("seg", "Tell a GRAM job manager what happens to jobs"),
    SubCommand("R"),
    SubCommand("admin"),
    SubCommand("heaptrace"),
    SubCommand("help"),
    SubCommand("python"),
    SubCommand("relay"),
    SubCommand("job-validator"),
    SubCommand("jobspec"),
    SubCommand("jobtap"),
    SubCommand("shell"),
    SubCommand("fortune"),
    SubCommand("job-exec-override"),
    SubCommand("lptest"),
    SubCommand("multi-prog"),
    SubCommand("pmi"),
    SubCommand("post-job-event"),
)

GROUPS: dict[str, tuple[SubCommand, ...]] = {
    "run and submit jobs, allocate resources": _SUBMIT,
    "list and interact with jobs": _JOBS,
    "get resource, queue and other instance information": _INSTANCE,
    "other commands": _OTHER,
}
"""By what they are for, in the order of ``flux help``."""

COMMANDS: dict[str, SubCommand] = {
    command.name: command for group in GROUPS.values() for command in group
}
"""By name, in the order of ``flux help``."""
