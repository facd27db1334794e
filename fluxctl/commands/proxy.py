"""``flux proxy``: run a command with a local socket that leads to an instance (flux-proxy(1))."""

from __future__ import annotations

import os

import click

from flux.uri.forms import reachable
from fluxctl.command import FluxCommand
from fluxctl.completions import uris
from fluxctl.errors import CommandError
from fluxctl.target import resolve


@click.command(cls=FluxCommand, context_settings={"allow_interspersed_args": False})
@click.option(
    "-f", "--force", is_flag=True, help="Connect to a broker of another version, with a warning."
)
@click.option(
    "-n",
    "--nohup",
    is_flag=True,
    help="Do not send SIGHUP to the command when the connection to the broker is lost.",
)
@click.option(
    "--reconnect",
    is_flag=True,
    help="Try to reach the broker again when the connection is lost, as long as the command runs.",
)
@click.argument("target", metavar="URI|JOBID", shell_complete=uris)
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="[COMMAND [ARGS...]]")
def command(force: bool, nohup: bool, reconnect: bool, target: str, words: tuple[str, ...]) -> int:
    """Run a shell, or COMMAND, whose FLUX_URI leads to another Flux instance.

    The instance is a local:// or ssh:// URI, or whatever else flux uri takes: the id of a job that
    is one, pid:N, slurm:JOBID. All commands share
    one connection, which lasts as long as the shell. If it is lost the shell gets SIGHUP.
    """
    import asyncio

    from flux import CORE_VERSION
    from fluxctl.proxy.server import LossRules, serve

    uri = reachable(resolve(target))
    rules = LossRules(hangup=not nohup, reconnect=reconnect)
    argv = list(words) or [os.environ.get("SHELL") or "/bin/sh"]
    try:
        return asyncio.run(serve(uri, argv, CORE_VERSION, force, rules))
    except OSError as exc:
        raise CommandError(f"{uri}: {exc.strerror or exc}") from None


EXAMPLES = """
# Run a command in the instance that a job is
JOB=$(flux mini batch -n1 --wrap sleep 600)
flux proxy $(flux uri --wait $JOB) flux getattr size
flux job cancel $JOB
# Work with the instance of another machine, in a shell
flux proxy ssh://login1/run/flux/local
# Work with an instance in a job of Slurm
flux proxy slurm:1234 flux jobs
"""
