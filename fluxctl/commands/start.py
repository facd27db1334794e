"""``flux start``: bootstrap an instance on this machine (flux-start(1))."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

from fluxctl.command import FluxCommand
from fluxctl.errors import CommandError
from fluxctl.numbers import decimal

if TYPE_CHECKING:
    from fluxctl.start import StartOptions


ONE_MORE = "+"


def _level(_ctx: click.Context, _param: click.Parameter, value: tuple[str, ...]) -> int:
    """``-v`` counts, ``--verbose=N`` sets."""
    level = 0
    for item in value:
        if item == ONE_MORE:
            level += 1
        elif (number := decimal(item, 1000)) is not None:
            level = number
        else:
            raise CommandError(f"--verbose={item}: expected a number")
    return level


class StartCommand(FluxCommand):
    """The command; ``-v`` and ``--verbose`` may have a level attached, but never take the word
    after them as one.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse after each ``-v`` before the initial program has got its level."""
        options = [
            param for param in self.params if isinstance(param, click.Option) and not param.is_flag
        ]
        valued = {name for option in options if option.name != "verbose" for name in option.opts}
        words, rest = [], list(args)
        while rest and rest[0].startswith("-") and rest[0] not in ("-", "--"):
            word = rest.pop(0)
            if word in valued:
                words += [word, *rest[:1]]
                del rest[:1]
            elif word == "--verbose":
                words.append(f"--verbose={ONE_MORE}")
            elif set(word[1:]) <= {"v", "X"}:
                words += [
                    f"--verbose={ONE_MORE}" if letter == "v" else f"-{letter}"
                    for letter in word[1:]
                ]
            else:
                words.append(word)
        return super().parse_args(ctx, words + rest)


@click.command(cls=StartCommand, context_settings={"allow_interspersed_args": False})
@click.option(
    "-o",
    "--broker-opts",
    multiple=True,
    metavar="OPTS",
    help="Add options to the broker, separated by commas.",
)
@click.option(
    "-v",
    "--verbose",
    multiple=True,
    callback=_level,
    metavar="[LEVEL]",
    help="Show the commands that are run; level 2 also traces PMI requests.",
)
@click.option("-X", "--noexec", is_flag=True, help="Don't execute anything; most useful with -v.")
@click.option(
    "--caliper-profile", metavar="PROFILE", help="Ask for Caliper profiling (this build has none)."
)
@click.option(
    "--rundir",
    metavar="DIR",
    help="Use DIR as the rundir, created if needed (only with --test-size).",
)
@click.option(
    "--wrap",
    metavar="ARGS",
    multiple=True,
    help="Wrap each broker in a comma-separated list of arguments.",
)
@click.option(
    "-s", "--test-size", metavar="N", help="Start an instance of N brokers on this machine."
)
@click.option(
    "--test-hosts", metavar="HOSTLIST", help="Give each broker a fake host name, in rank order."
)
@click.option(
    "--test-exit-timeout",
    metavar="FSD",
    help="Kill the other brokers this long after one exits (default 20s).",
)
@click.option(
    "--test-exit-mode",
    metavar="MODE",
    help="Which exits start that timeout: any (default) or leader.",
)
@click.option(
    "--test-start-mode", metavar="MODE", help="Start all brokers (default) or the leader only."
)
@click.option(
    "--test-rundir",
    metavar="PATH",
    help="Use the existing directory PATH as the rundir; it is kept.",
)
@click.option(
    "--test-rundir-cleanup", is_flag=True, help="Remove the directory of --test-rundir at the end."
)
@click.option(
    "--test-pmi-clique",
    metavar="MODE",
    help="Process mapping given to the brokers: single (default) or none.",
)
@click.argument("program", nargs=-1, type=click.UNPROCESSED, metavar="[INITIAL-PROGRAM [ARGS...]]")
def command(
    broker_opts: tuple[str, ...],
    verbose: int,
    noexec: bool,
    caliper_profile: str | None,
    rundir: str | None,
    wrap: tuple[str, ...],
    test_size: str | None,
    test_hosts: str | None,
    test_exit_timeout: str | None,
    test_exit_mode: str | None,
    test_start_mode: str | None,
    test_rundir: str | None,
    test_rundir_cleanup: bool,
    test_pmi_clique: str | None,
    program: tuple[str, ...],
) -> int:
    """Start a Flux instance and run a program in it, an interactive shell by default."""
    from fluxctl.start import StartOptions, start

    if caliper_profile is not None:
        raise CommandError("Error: Flux was not built with caliper")
    test_only = {
        "--rundir": rundir,
        "--test-hosts": test_hosts,
        "--test-exit-timeout": test_exit_timeout,
        "--test-exit-mode": test_exit_mode,
        "--test-start-mode": test_start_mode,
        "--test-rundir": test_rundir,
        "--test-pmi-clique": test_pmi_clique,
    }
    if test_size is None:
        for name, value in test_only.items():
            if value is not None:
                raise CommandError(f"{name} can only be used with --test-size")
        if test_rundir_cleanup:
            raise CommandError("--test-rundir-cleanup can only be used with --test-size")
    options: StartOptions = StartOptions(
        size=_size(test_size),
        broker_opts=[word for opts in broker_opts for word in opts.split(",") if word],
        wrap=[word for words in wrap for word in words.split(",") if word],
        program=list(program),
        verbose=verbose,
        noexec=noexec,
        rundir=rundir,
        test_rundir=test_rundir,
        test_rundir_cleanup=test_rundir_cleanup,
        hosts=_hosts(test_hosts),
        exit_timeout=_duration(test_exit_timeout or "20s"),
        exit_mode=_choice("--test-exit-mode", test_exit_mode or "any", ("any", "leader")),
        start_mode=_choice("--test-start-mode", test_start_mode or "all", ("all", "leader")),
        clique=_choice("--test-pmi-clique", test_pmi_clique or "single", ("single", "none")),
    )
    _put_flux_on_path()
    return start(options)


def _size(text: str | None) -> int | None:
    if text is None:
        return None
    try:
        size = int(text)
    except ValueError:
        size = 0
    if size <= 0:
        raise CommandError("--test-size argument must be > 0")
    return size


def _hosts(text: str | None) -> list[str]:
    if text is None:
        return []
    from flux.hostlist import Hostlist

    try:
        return list(Hostlist(text))
    except ValueError:
        raise CommandError(f"could not parse hostlist: {text}") from None


def _duration(text: str) -> float:
    from flux.util import parse_fsd

    try:
        return float(parse_fsd(text))
    except ValueError:
        raise CommandError(f"--test-exit-timeout: invalid duration '{text}'") from None


def _choice(option: str, value: str, allowed: tuple[str, ...]) -> str:
    if value not in allowed:
        raise CommandError(f"{option} must be one of {', '.join(allowed)}")
    return value


def _put_flux_on_path() -> None:
    """Make sure that programs of the instance find this ``flux`` first."""
    script = os.path.abspath(sys.argv[0])
    folder = os.path.dirname(script)
    if os.path.basename(script) in ("flux", "fluxctl") and os.path.exists(
        os.path.join(folder, "flux")
    ):
        path = os.environ.get("PATH", os.defpath)
        if path.split(":")[0] != folder:
            os.environ["PATH"] = f"{folder}:{path}"
