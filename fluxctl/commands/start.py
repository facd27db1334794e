"""``flux start``: bootstrap an instance on this machine (flux-start(1))."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Final, TypedDict, Unpack

import click

from fluxctl.command import FluxCommand
from fluxctl.config_source import CONF_HELP
from fluxctl.errors import CommandError
from fluxctl.numbers import decimal, integer
from fluxctl.option_groups import flag_option, list_option, text_option, with_options
from fluxctl.option_types import duration
from fluxctl.optional_value import OptionalValue
from fluxctl.recovery import CONFIGURATION, SYSTEM, recovery_options

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fluxctl.broker_command import StartOptions


ONE_MORE = "+"
SIZE_MAX = 1 << 15
"""Brokers of an instance on one machine: no kernel has room for more by default."""


class StartWords(TypedDict):
    """The options and the initial program as they stand on the command line, None or empty for
    what is not there; only ``verbose`` is a number already.
    """

    broker_opts: tuple[str, ...]
    verbose: int
    noexec: bool
    caliper_profile: str | None
    rundir: str | None
    wrap: tuple[str, ...]
    test_size: str | None
    test_hosts: str | None
    test_exit_timeout: str | None
    killer_timeout: str | None
    test_exit_mode: str | None
    test_start_mode: str | None
    test_rundir: str | None
    test_rundir_cleanup: bool
    test_pmi_clique: str | None
    config_path: str | None
    conf: tuple[str, ...]
    setattrs: tuple[str, ...]
    sysconfig: bool
    recovery: str | None
    program: tuple[str, ...]


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
            param
            for param in self.params
            if isinstance(param, click.Option)
            and not param.is_flag
            and not isinstance(param, OptionalValue)
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


BROKER_OPTIONS: Final = (
    list_option(
        "-o",
        "--broker-opts",
        metavar="OPTS",
        text="Add options to the broker, separated by commas.",
    ),
    click.Option(
        ["-v", "--verbose"],
        multiple=True,
        callback=_level,
        metavar="[LEVEL]",
        help="Show the commands that are run; level 2 also traces PMI requests.",
    ),
    text_option(
        "-c",
        "--config-path",
        metavar="PATH",
        text="Have the brokers read their configuration from PATH, a file or a folder.",
    ),
    list_option("--conf", metavar="CONF", text=CONF_HELP),
    list_option(
        "-S",
        "--setattr",
        "setattrs",
        metavar="ATTR=VAL",
        text="Set an attribute of each broker at its start.",
    ),
    OptionalValue(
        "-r",
        "--recovery",
        implied=SYSTEM,
        metavar="[TARGET]",
        text="Start in recovery mode from TARGET, an archive of flux dump or a statedir; without it"
        " from the system instance's statedir, with the system's configuration.",
    ),
    flag_option("--sysconfig", text="Have the brokers read the configuration of the system."),
    flag_option("-X", "--noexec", text="Don't execute anything; most useful with -v."),
    text_option(
        "--caliper-profile",
        metavar="PROFILE",
        text="Ask for Caliper profiling (this build has none).",
    ),
    text_option(
        "--rundir",
        metavar="DIR",
        text="Use DIR as the rundir, created if needed (only with --test-size).",
    ),
    list_option(
        "--wrap",
        metavar="ARGS",
        text="Wrap each broker in a comma-separated list of arguments.",
    ),
)

TEST_OPTIONS: Final = (
    text_option(
        "-s", "--test-size", metavar="N", text="Start an instance of N brokers on this machine."
    ),
    text_option(
        "--test-hosts",
        metavar="HOSTLIST",
        text="Give each broker a fake host name, in rank order.",
    ),
    text_option(
        "--test-exit-timeout",
        metavar="FSD",
        text="Kill the other brokers this long after one exits (default 20s).",
    ),
    text_option(
        "--killer-timeout",
        metavar="FSD",
        text="Deprecated name of --test-exit-timeout.",
        hidden=True,
    ),
    text_option(
        "--test-exit-mode",
        metavar="MODE",
        text="Which exits start that timeout: any (default) or leader.",
    ),
    text_option(
        "--test-start-mode",
        metavar="MODE",
        text="Start all brokers (default) or the leader only.",
    ),
    text_option(
        "--test-rundir",
        metavar="PATH",
        text="Use the existing directory PATH as the rundir; it is kept.",
    ),
    flag_option("--test-rundir-cleanup", text="Remove the directory of --test-rundir at the end."),
    text_option(
        "--test-pmi-clique",
        metavar="MODE",
        text="Process mapping given to the brokers: single (default) or none.",
    ),
)


@click.command(cls=StartCommand, context_settings={"allow_interspersed_args": False})
@with_options([*BROKER_OPTIONS, *TEST_OPTIONS])
@click.argument("program", nargs=-1, type=click.UNPROCESSED, metavar="[INITIAL-PROGRAM [ARGS...]]")
def command(**words: Unpack[StartWords]) -> int:
    """Start a Flux instance and run a program in it, an interactive shell by default."""
    from fluxctl.start import start

    if words["caliper_profile"] is not None:
        raise CommandError("Error: Flux was not built with caliper")
    if words["test_size"] is None:
        _refuse_test_options(words)
    options = _start_options(words)
    _check_directory()
    _put_flux_on_path()
    return start(options)


def _check_directory() -> None:
    """Raise CommandError if the working directory has been removed: no program could be started."""
    try:
        os.getcwd()
    except OSError as exc:
        raise CommandError(f"Unable to get current working directory: {exc.strerror}") from None


def _refuse_test_options(words: StartWords) -> None:
    """Raise CommandError for the first option that needs --test-size."""
    given = {
        "--rundir": words["rundir"],
        "--test-hosts": words["test_hosts"],
        "--test-exit-timeout": words["test_exit_timeout"],
        "--killer-timeout": words["killer_timeout"],
        "--test-exit-mode": words["test_exit_mode"],
        "--test-start-mode": words["test_start_mode"],
        "--test-rundir": words["test_rundir"],
        "--test-pmi-clique": words["test_pmi_clique"],
        "--test-rundir-cleanup": words["test_rundir_cleanup"] or None,
    }
    for name, value in given.items():
        if value is not None:
            raise CommandError(f"{name} can only be used with --test-size")


def _start_options(words: StartWords) -> StartOptions:
    """Return what the words mean; raises CommandError for one that means nothing."""
    from fluxctl.broker_command import StartOptions

    return StartOptions(
        size=_size(words["test_size"]),
        broker_opts=_broker_options(words),
        wrap=_split(words["wrap"]),
        program=list(words["program"]),
        verbose=words["verbose"],
        noexec=words["noexec"],
        rundir=words["rundir"],
        test_rundir=words["test_rundir"],
        test_rundir_cleanup=words["test_rundir_cleanup"],
        hosts=_hosts(words["test_hosts"]),
        exit_timeout=_exit_timeout(words),
        exit_mode=_choice("--test-exit-mode", words["test_exit_mode"], ("any", "leader")),
        start_mode=_choice("--test-start-mode", words["test_start_mode"], ("all", "leader")),
        clique=_clique(words["test_pmi_clique"]),
    )


def _broker_options(words: StartWords) -> list[str]:
    """Return the options for each broker."""
    target = words["recovery"]
    path = words["config_path"]
    if words["sysconfig"] or target == SYSTEM:
        if path is None:
            path = CONFIGURATION
        else:
            sys.stderr.write(
                f"flux-start: Warning: overriding recovery/--sysconfig path with {path}\n"
            )
    ours = [f"--setattr={value}" for value in words["setattrs"]]
    ours += [] if target is None else recovery_options(target)
    ours += [] if path is None else [f"--config-path={path}"]
    ours += [f"--conf={value}" for value in words["conf"]]
    return ours + _split(words["broker_opts"])


def _split(lists: Iterable[str]) -> list[str]:
    return [word for words in lists for word in words.split(",") if word]


def _size(text: str | None) -> int | None:
    if text is None:
        return None
    size = integer(text) or 0
    if size <= 0:
        raise CommandError("--test-size argument must be > 0")
    if size > SIZE_MAX:
        raise CommandError(f"--test-size argument must be <= {SIZE_MAX}")
    return size


def _hosts(text: str | None) -> list[str]:
    if text is None:
        return []
    from flux.hostlist import Hostlist

    try:
        return list(Hostlist(text))
    except ValueError:
        raise CommandError(f"could not parse hostlist: {text}") from None


def _exit_timeout(words: StartWords) -> float:
    option, text = "--test-exit-timeout", words["test_exit_timeout"]
    if text is None and words["killer_timeout"] is not None:
        option, text = "--killer-timeout", words["killer_timeout"]
    return duration("20s" if text is None else text, f"{option}: invalid duration '{text}'")


def _clique(mode: str | None) -> str:
    if mode not in (None, "single", "none"):
        raise CommandError(f"unsupported test-pmi-clique mode: {mode}")
    return mode or "single"


def _choice(option: str, text: str | None, allowed: tuple[str, ...]) -> str:
    """Return the word, the first of those allowed if there is none."""
    value = text or allowed[0]
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


EXAMPLES = """
# Try something in an instance of four brokers on this machine
flux start --test-size=4 flux getattr size
# Start an instance with a configuration, and run a script in it
flux start --config-path=site.toml ./report.sh
# Start one with a setting or two, and an attribute
flux start --conf=tbon.tcp_user_timeout=20s -S log-stderr-level=3 flux config get tbon
# Schedule on 1,000 nodes that are not there
flux start --conf=fake-resources.nnodes=1000 flux resource list
# Keep what there is in a directory, for the next start
flux start -S statedir=state flux kvs put a=1
# Look at what was kept in such a directory, or in an archive, without running a job
flux start --recovery=state flux jobs -a
"""
