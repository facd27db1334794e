"""The options of ``flux submit``, ``run``, ``bulksubmit``, ``batch`` and ``alloc``: those of ``flux
mini`` in the spelling of today's flux-core, and what that has besides.
"""

from __future__ import annotations

import click

from fluxctl.command import echo
from fluxctl.mini import click_options as old
from fluxctl.option_groups import flag_option, list_option, text_option
from fluxctl.optional_value import OptionalValue

REPLACED = frozenset(("time_limit", "setattr", "quiet", "broker_opts"))
"""Parameters whose option is another one here; each comes where the old one stood."""


def _replacements() -> dict[str, click.Option]:
    return {
        "time_limit": text_option(
            "-t",
            "--time-limit",
            metavar="MINUTES|FSD",
            text="Time limit in minutes, or with a unit as Flux standard duration: 30s, 2d, 1.5h.",
        ),
        "setattr": list_option(
            "-S",
            "--setattr",
            metavar="KEY[=VAL]",
            text="Set job attribute, by default one of attributes.system; VAL may be JSON "
            "(default 1), ^KEY=FILE reads a JSON file.",
        ),
        "quiet": flag_option("--quiet", text="Do not print job ids."),
        "broker_opts": list_option(
            "--broker-opts", metavar="OPT", text="Option for the brokers of the new instance."
        ),
    }


def _placing() -> list[click.Option]:
    return [
        old.queue_option("-q", "--queue"),
        text_option("-B", "--bank", metavar="NAME", text="Charge the job to the bank NAME."),
        text_option("--cwd", metavar="DIRECTORY", text="Working directory of the job."),
        flag_option("-u", "--unbuffered", text="Pass input and output on as they come."),
        _plugins(),
        text_option(
            "--resources-shape",
            metavar="SHAPE",
            text="The resources as a whole, in the words of RFC 46, like slot=2/[core=4;gpu]; no "
            "other option counts resources then.",
        ),
        text_option(
            "--resources-json",
            metavar="FILE",
            text="The same from a JSON file: the list resources of a jobspec, or an object with "
            "it.",
        ),
    ]


def _per_resource() -> list[click.Option]:
    return [
        text_option("--cores", metavar="N", text="Number of cores in all, with a task on each."),
        text_option("--tasks-per-node", metavar="N", text="Tasks on each node."),
        text_option("--tasks-per-core", metavar="N", text="Tasks on each core."),
        text_option("--gpus-per-node", metavar="N", text="GPUs of each node; needs --nodes."),
    ]


def _plugins() -> click.Option:
    return click.Option(
        ["--list-plugins"],
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=_list_plugins,
        help="Show the plugins that add options, and exit.",
    )


def _list_plugins(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        from flux.cli.plugin import CLIPluginRegistry
        from fluxctl.mini.plugins import quoting

        registry = quoting(lambda: CLIPluginRegistry(f"flux {ctx.command.name}"))
        for line in registry.described():
            echo(line)
        ctx.exit()


def _wait_event() -> click.Option:
    return text_option(
        "--wait-event",
        metavar="NAME",
        text="Wait for the event NAME of each job, or its end if that comes before.",
    )


def _instance() -> list[click.Option]:
    return [
        list_option(
            "--conf",
            metavar="CONF",
            text="Configure the new instance: KEY=VALUE, a file (.toml, .json), the name of one in "
            "XDG_CONFIG_HOME/flux/config, or lines of TOML or JSON; later ones add to earlier.",
        ),
        OptionalValue(
            "--dump",
            implied="",
            greedy=True,
            metavar="[=FILE]",
            text="Write the key-value store to an archive at the end, by default "
            "flux-JOBID-dump.tgz.",
        ),
    ]


def _todays(options: list[click.Option]) -> list[click.Option]:
    """Return options in today's spelling, without the one for queues, which `_placing` has."""
    instead = _replacements()
    return [instead.get(str(one.name), one) for one in options if one.name != "queue"]


def run_options() -> list[click.Option]:
    """Return the options of ``flux run``."""
    options = [*_todays(old.run_options()), *_placing(), *_per_resource(), _wait_event()]
    return [*options, _no_ids()]


def _no_ids() -> click.Option:
    return flag_option("--quiet", text="No effect: what prints the job's id was asked for.")


def submit_options() -> list[click.Option]:
    """Return the options of ``flux submit``."""
    return [
        *_todays(old.submit_options()),
        *_placing(),
        *_per_resource(),
        _wait_event(),
    ]


def bulksubmit_options() -> list[click.Option]:
    """Return the options of ``flux bulksubmit``."""
    return [
        *_todays(old.bulksubmit_options()),
        *_placing(),
        *_per_resource(),
        _wait_event(),
    ]


def batch_options() -> list[click.Option]:
    """Return the options of ``flux batch``."""
    quiet = flag_option("--quiet", text="Do not print the job's id.")
    return [*_todays(old.batch_options()), *_placing(), *_instance(), quiet]


def alloc_options() -> list[click.Option]:
    """Return the options of ``flux alloc``."""
    background = flag_option(
        "--bg", text="Print the job's id once the instance runs, and do not attach to it."
    )
    return [*_todays(old.alloc_options()), *_placing(), *_instance(), background, _no_ids()]
