"""The options of the ``flux mini`` sub-commands as click options, in groups that the sub-commands
share.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from fluxctl import completions
from fluxctl.option_groups import F, flag_option, list_option, text_option

if TYPE_CHECKING:
    from collections.abc import Callable


class RuleOption(click.Option):
    """An option whose values join those of ``--env``, in command line order.

    ``prefix``, put before each value, makes it a rule of ``--env``.
    """

    def __init__(self, name: str, *, prefix: str, metavar: str, text: str) -> None:
        super().__init__([name], metavar=metavar, help=text, multiple=True, expose_value=False)
        self.prefix = prefix

    def add_to_parser(self, parser: Any, ctx: click.Context) -> None:
        """Have the parser append prefixed values to the list of ``--env``.

        Only the parser still knows in which order different options came. It is click's own, whose
        type is not public.
        """
        super().add_to_parser(parser, ctx)
        prefix = self.prefix
        for name in self.opts:
            entry = parser._long_opt[name]  # noqa: SLF001 - see above
            process = entry.process
            entry.dest = "env"
            entry.process = lambda value, state, process=process: process(prefix + value, state)


def _job() -> list[click.Option]:
    return [
        text_option("-N", "--nodes", metavar="N", text="Number of nodes to assign to the job."),
        text_option("--job-name", metavar="NAME", text="Name of the job instead of its program's."),
        flag_option("-x", "--exclusive", text="Give the job its nodes whole; needs --nodes."),
        list_option(
            "--requires",
            metavar="CONSTRAINT",
            text="Run on nodes that CONSTRAINT (RFC 35) allows only: properties, host:HOSTS, "
            "rank:RANKS, joined by and, or, not.",
        ),
        text_option(
            "-t",
            "--time-limit",
            metavar="FSD",
            text="Time limit in Flux standard duration, e.g. 2d, 1.5h.",
        ),
        text_option(
            "--urgency",
            metavar="N",
            text="Job urgency, 0-31, hold, default or expedite.",
            complete=completions.urgencies,
        ),
        list_option(
            "-o",
            "--setopt",
            metavar="KEY[=VAL]",
            text="Set shell option; VAL may be JSON (default 1). "
            "With linger, processes that tasks left behind stay.",
        ),
        list_option(
            "--setattr",
            metavar="KEY=VAL",
            text="Set job attribute; VAL may be JSON, ^KEY=FILE reads a JSON file.",
        ),
    ]


def _surroundings() -> list[click.Option]:
    return [
        list_option(
            "--dependency",
            metavar="URI",
            text="Add a dependency SCHEME:VALUE[?KEY=VAL...]: after, afterany, afterok or"
            " afternotok and a job, begin-time and seconds, singleton, or a scheme of a plugin.",
        ),
        list_option(
            "--add-file",
            metavar="[NAME[:PERMS]=]PATH|DATA",
            text="Send a file along, for the job to find at $FLUX_JOB_TMPDIR/NAME; what has a "
            "newline is its content.",
        ),
        text_option(
            "--begin-time",
            metavar="DATETIME",
            text="Do not begin before DATETIME, e.g. +1h or 'tomorrow 8am'.",
        ),
    ]


def _limits() -> list[click.Option]:
    return [
        text_option(
            "--signal",
            metavar="SIG@TIME",
            text="Send SIG so long before the time limit (defaults USR1 and 60s).",
        ),
        list_option(
            "--rlimit",
            metavar="RULE",
            text="Send resource limits along: NAME=VALUE, PATTERN or -PATTERN, of all but a few.",
        ),
    ]


def _taskmap() -> list[click.Option]:
    return [
        text_option(
            "--taskmap",
            metavar="SCHEME[:VALUE]",
            text="Map tasks to nodes: block, cyclic[:N], manual:TASKMAP, hostfile:FILE.",
            complete=completions.words(lambda: ("block", "cyclic", "manual:", "hostfile:")),
        )
    ]


def _environment() -> list[click.Option]:
    return [
        list_option(
            "--env",
            metavar="RULE",
            text="Rule for the job's environment: VAR=VAL, PATTERN, -PATTERN or ^FILE.",
        ),
        RuleOption(
            "--env-remove",
            prefix="-",
            metavar="PATTERN",
            text="Remove variables that match PATTERN (--env=-PATTERN).",
        ),
        RuleOption(
            "--env-file", prefix="^", metavar="FILE", text="Read rules from FILE (--env=^FILE)."
        ),
    ]


def _streams() -> list[click.Option]:
    return [
        text_option("--input", metavar="FILE", text="Redirect the tasks' stdin from FILE."),
        text_option(
            "--output", metavar="TEMPLATE", text="Redirect stdout to a file; {{id}} is the job id."
        ),
        text_option(
            "--error", metavar="TEMPLATE", text="Redirect stderr to a file; {{id}} is the job id."
        ),
        flag_option("-l", "--label-io", text="Put the task rank before each line of output."),
    ]


def _submission() -> list[click.Option]:
    return [
        list_option(
            "--flags",
            metavar="FLAGS",
            text="Submission flags, comma separated: debug, waitable, novalidate.",
            complete=completions.word_list(lambda: ("debug", "waitable", "novalidate")),
        ),
        flag_option("--dry-run", text="Do not submit: print what would be."),
        flag_option("--debug", text="Enable job debug events."),
    ]


def queue_option(*names: str) -> click.Option:
    """Return the option that names a queue."""
    return text_option(
        *names,
        metavar="NAME",
        text="Submit the job to the queue NAME.",
        complete=completions.queues,
    )


def _common() -> list[click.Option]:
    return [*_job(), *_surroundings(), *_limits(), *_environment(), *_streams(), *_submission()]


def _tasks() -> list[click.Option]:
    return [
        text_option("-n", "--ntasks", metavar="N", text="Number of tasks to launch (default 1)."),
        text_option("-c", "--cores-per-task", metavar="N", text="Cores for each task (default 1)."),
        text_option(
            "-g", "--gpus-per-task", metavar="N", text="GPUs for each task (default none)."
        ),
        *_taskmap(),
    ]


def _slots() -> list[click.Option]:
    return [
        text_option("-n", "--nslots", metavar="N", text="Number of slots to allocate (required)."),
        text_option("-c", "--cores-per-slot", metavar="N", text="Cores for each slot (default 1)."),
        text_option(
            "-g", "--gpus-per-slot", metavar="N", text="GPUs for each slot (default none)."
        ),
        list_option(
            "-B", "--broker-opts", metavar="OPT", text="Option for the brokers of the new instance."
        ),
    ]


def _verbose() -> list[click.Option]:
    return [
        click.Option(
            ["-v", "--verbose"], count=True, help="Increase verbosity on stderr; may be repeated."
        )
    ]


def _many() -> list[click.Option]:
    return [
        flag_option("-q", "--quiet", text="Do not print job ids."),
        text_option(
            "--cc",
            metavar="IDSET",
            text="Replicate the job for each id, which {cc} and FLUX_JOB_CC name.",
        ),
        text_option(
            "--bcc",
            metavar="IDSET",
            text="Like --cc, without FLUX_JOB_CC in the job's environment.",
        ),
        flag_option("--wait", text="Wait until all jobs are complete."),
        flag_option("--watch", text="Show the output of all jobs; implies --wait."),
        flag_option("--progress", text="Show a progress bar."),
        flag_option("--jps", text="Show jobs per second in the progress bar."),
        text_option("--log", metavar="FILE", text="Write job ids and output to FILE."),
        text_option("--log-stderr", metavar="FILE", text="Write stderr to FILE."),
    ]


def _bulk() -> list[click.Option]:
    return [
        list_option(
            "--define",
            metavar="NAME=CODE",
            text="Define {.NAME}, a Python expression of the input x.",
        ),
        flag_option("--shuffle", text="Submit in random order."),
        text_option(
            "--sep",
            metavar="STRING",
            text="Separator of inputs in files (default newline; none: white space).",
        ),
    ]


def run_options() -> list[click.Option]:
    """Return the options of ``flux mini run``."""
    debug = flag_option("--debug-emulate", text="Be the debugger of the tasks.", hidden=True)
    return [*_tasks(), queue_option("-q", "--queue"), *_common(), *_verbose(), debug]


def submit_options() -> list[click.Option]:
    """Return the options of ``flux mini submit``."""
    # -q is --quiet here, as flux-mini(1) says.
    return [*_tasks(), queue_option("--queue"), *_common(), *_many(), *_verbose()]


def bulksubmit_options() -> list[click.Option]:
    """Return the options of ``flux mini bulksubmit``."""
    return [*submit_options(), *_bulk()]


def batch_options() -> list[click.Option]:
    """Return the options of ``flux mini batch``."""
    return [
        *_slots(),
        queue_option("-q", "--queue"),
        *_common(),
        flag_option("--wrap", text="Wrap the command in a shell script."),
    ]


def alloc_options() -> list[click.Option]:
    """Return the options of ``flux mini alloc``."""
    return [*_slots(), queue_option("-q", "--queue"), *_common(), *_verbose()]


def words(metavar: str) -> Callable[[F], F]:
    """Decorate a command function: the words after the options are its argument ``words``."""
    return click.argument("words", metavar=metavar, nargs=-1, type=click.UNPROCESSED)
