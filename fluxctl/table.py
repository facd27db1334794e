"""The sub-commands: where each is, and what ``flux help`` says of it, in its order (flux(1))."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import click


class Command(NamedTuple):
    """A sub-command, which is the attribute ``command`` of ``fluxctl.commands.NAME``.

    ``summary`` is its line in ``flux help``, empty for a command that is not listed there;
    ``listed`` is what that line calls it, if that is not its name.
    """

    name: str
    summary: str = ""
    listed: str = ""

    def load(self) -> click.Command:
        """Import the command, which only happens when it is run or asked about."""
        import importlib

        module = importlib.import_module(f"fluxctl.commands.{self.name}")
        command: click.Command = module.command
        return command


_ALL = (
    Command("broker", "Invoke Flux message broker daemon"),
    Command("content", "Access instance content storage"),
    Command("cron", "Schedule tasks on timers and events"),
    Command("dmesg", "manipulate broker log ring buffer"),
    Command("env", "Print the flux environment or execute a command inside it"),
    Command("event", "Send and receive Flux events"),
    Command("exec", "Execute processes across flux ranks"),
    Command("getattr", "Access, modify, and list broker attributes", listed="get,set,lsattr"),
    Command("setattr"),
    Command("lsattr"),
    Command("hwloc", "Control/query resource-hwloc service"),
    Command("jobs", "list jobs submitted to Flux"),
    Command("kvs", "Flux key-value store utility"),
    Command("logger", "create a Flux log entry"),
    Command("mini", "Minimal Job Submission Tool"),
    Command("job", "Job Housekeeping Tool"),
    Command("module", "manage Flux extension modules"),
    Command("ping", "measure round-trip latency to Flux services"),
    Command("queue", "control the job queue"),
    Command("resource", "list and control resources"),
    Command("start", "bootstrap a local Flux instance"),
    Command("top", "live dashboard of a Flux instance"),
    Command("version", "Display flux version information"),
    Command("R"),
    Command("help"),
    Command("jobtap"),
    Command("shell"),
)

COMMANDS: dict[str, Command] = {command.name: command for command in _ALL}
"""By name, in the order of ``flux help``."""
