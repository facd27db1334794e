"""The options of the ``flux mini`` sub-commands as click options, in groups that the sub-commands
share.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., object])


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


def _text(*names: str, metavar: str, text: str) -> click.Option:
    return click.Option(list(names), metavar=metavar, help=text)


def _list(*names: str, metavar: str, text: str) -> click.Option:
    return click.Option(list(names), metavar=metavar, help=text, multiple=True)


def _flag(*names: str, text: str) -> click.Option:
    return click.Option(list(names), is_flag=True, help=text)


def _job() -> list[click.Option]:
    return [
        _text("-N", "--nodes", metavar="N", text="Number of nodes to assign to the job."),
        _text(
            "-t",
            "--time-limit",
            metavar="FSD",
            text="Time limit in Flux standard duration, e.g. 2d, 1.5h.",
        ),
        _text("--urgency", metavar="N", text="Job urgency, 0-31, hold, default or expedite."),
        _list(
            "-o",
            "--setopt",
            metavar="KEY[=VAL]",
            text="Set shell option; VAL may be JSON (default 1). "
            "With linger, processes that tasks left behind stay.",
        ),
        _list(
            "--setattr",
            metavar="KEY=VAL",
            text="Set job attribute; VAL may be JSON, ^KEY=FILE reads a JSON file.",
        ),
        _list("--dependency", metavar="URI", text="Add a dependency SCHEME:VALUE[?KEY=VAL...]."),
        _text(
            "--begin-time",
            metavar="DATETIME",
            text="Do not begin before DATETIME, e.g. +1h or 'tomorrow 8am'.",
        ),
    ]


def _environment() -> list[click.Option]:
    return [
        _list(
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
        _text("--input", metavar="FILE", text="Redirect the tasks' stdin from FILE."),
        _text(
            "--output", metavar="TEMPLATE", text="Redirect stdout to a file; {{id}} is the job id."
        ),
        _text(
            "--error", metavar="TEMPLATE", text="Redirect stderr to a file; {{id}} is the job id."
        ),
        _flag("-l", "--label-io", text="Put the task rank before each line of output."),
    ]


def _submission() -> list[click.Option]:
    return [
        _list(
            "--flags",
            metavar="FLAGS",
            text="Submission flags, comma separated: debug, waitable, novalidate.",
        ),
        _flag("--dry-run", text="Do not submit: print what would be."),
        _flag("--debug", text="Enable job debug events."),
    ]


def _common() -> list[click.Option]:
    return [*_job(), *_environment(), *_streams(), *_submission()]


def _tasks() -> list[click.Option]:
    return [
        _text("-n", "--ntasks", metavar="N", text="Number of tasks to launch (default 1)."),
        _text("-c", "--cores-per-task", metavar="N", text="Cores for each task (default 1)."),
        _text("-g", "--gpus-per-task", metavar="N", text="GPUs for each task (default none)."),
    ]


def _slots() -> list[click.Option]:
    return [
        _text("-n", "--nslots", metavar="N", text="Number of slots to allocate (required)."),
        _text("-c", "--cores-per-slot", metavar="N", text="Cores for each slot (default 1)."),
        _text("-g", "--gpus-per-slot", metavar="N", text="GPUs for each slot (default none)."),
        _list(
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
        _flag("-q", "--quiet", text="Do not print job ids."),
        _text(
            "--cc",
            metavar="IDSET",
            text="Replicate the job for each id, which {cc} and FLUX_JOB_CC name.",
        ),
        _text(
            "--bcc",
            metavar="IDSET",
            text="Like --cc, without FLUX_JOB_CC in the job's environment.",
        ),
        _flag("--wait", text="Wait until all jobs are complete."),
        _flag("--watch", text="Show the output of all jobs; implies --wait."),
        _flag("--progress", text="Show a progress bar."),
        _flag("--jps", text="Show jobs per second in the progress bar."),
        _text("--log", metavar="FILE", text="Write job ids and output to FILE."),
        _text("--log-stderr", metavar="FILE", text="Write stderr to FILE."),
    ]


def _bulk() -> list[click.Option]:
    return [
        _list(
            "--define",
            metavar="NAME=CODE",
            text="Define {.NAME}, a Python expression of the input x.",
        ),
        _flag("--shuffle", text="Submit in random order."),
        _text(
            "--sep",
            metavar="STRING",
            text="Separator of inputs in files (default newline; none: white space).",
        ),
    ]


def run_options() -> list[click.Option]:
    """Return the options of ``flux mini run``."""
    return [*_tasks(), *_common(), *_verbose()]


def submit_options() -> list[click.Option]:
    """Return the options of ``flux mini submit``."""
    return [*_tasks(), *_common(), *_many(), *_verbose()]


def bulksubmit_options() -> list[click.Option]:
    """Return the options of ``flux mini bulksubmit``."""
    return [*submit_options(), *_bulk()]


def batch_options() -> list[click.Option]:
    """Return the options of ``flux mini batch``."""
    return [*_slots(), *_common(), _flag("--wrap", text="Wrap the command in a shell script.")]


def alloc_options() -> list[click.Option]:
    """Return the options of ``flux mini alloc``."""
    return [*_slots(), *_common(), *_verbose()]


def with_options(options: Sequence[click.Option]) -> Callable[[F], F]:
    """Decorate a function that becomes a command: give it these options, in this order."""

    def decorate(function: F) -> F:
        # Decorators apply bottom-up; click reverses what they collected.
        collected: list[click.Parameter] = vars(function).setdefault("__click_params__", [])
        collected.extend(reversed(options))
        return function

    return decorate


def words(metavar: str) -> Callable[[F], F]:
    """Decorate a command function: the words after the options are its argument ``words``."""
    return click.argument("words", metavar=metavar, nargs=-1, type=click.UNPROCESSED)
