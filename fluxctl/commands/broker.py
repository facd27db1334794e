"""``flux broker``: run one message broker (flux-broker(1))."""

from __future__ import annotations

import click

from fluxctl.command import FluxCommand
from fluxctl.config_source import CONF_HELP, given_tables
from fluxctl.errors import CommandError


def parse_setattr(values: tuple[str, ...]) -> dict[str, str]:
    """Return ``--setattr`` values as a dictionary; an attribute without ``=`` is set to the empty
    string.
    """
    attrs: dict[str, str] = {}
    for value in values:
        name, _, text = value.partition("=")
        if not name:
            raise CommandError(f"--setattr={value}: an attribute name is required")
        attrs[name] = text
    return attrs


@click.command(
    cls=FluxCommand,
    context_settings={"ignore_unknown_options": False, "allow_interspersed_args": False},
)
@click.option("-v", "--verbose", count=True, help="Be annoyingly chatty.")
@click.option(
    "-S",
    "--setattr",
    "setattrs",
    multiple=True,
    metavar="ATTR=VAL",
    help="Set initial value for broker attribute.",
)
@click.option("-c", "--config-path", metavar="PATH", help="Set the broker config directory.")
@click.option("--conf", "conf", multiple=True, metavar="CONF", help=CONF_HELP)
@click.argument("command", nargs=-1, type=click.UNPROCESSED, metavar="[INITIAL-PROGRAM [ARGS...]]")
def command(
    verbose: int,
    setattrs: tuple[str, ...],
    config_path: str | None,
    conf: tuple[str, ...],
    command: tuple[str, ...],
) -> int:
    """Run a message broker, the daemon of a Flux instance."""
    from broker.config import BrokerOptions
    from broker.main import run_broker

    attrs = parse_setattr(setattrs)
    if config_path is not None:
        attrs["config.path"] = config_path
    return run_broker(BrokerOptions(attrs, list(command), verbose, given_tables(conf)))


EXAMPLES = """
# Run a program in an instance of one broker
flux broker flux getattr size
# Say a key of the configuration on the command line
flux broker --conf=access.allow-guest-user=true flux config get
# Keep more of the log in memory, and write the important lines to a file
flux broker -Slog-ring-size=4096 -Slog-filename=broker.log -Slog-forward-level=6 true
"""
