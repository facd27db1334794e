"""``flux uri``: print the URI of a Flux instance."""

from __future__ import annotations

import click

from flux.uri.forms import local_form, remote_form
from fluxctl.command import FluxCommand, echo
from fluxctl.completions import uris
from fluxctl.errors import CommandError
from fluxctl.json_output import json_option, print_json
from fluxctl.target import resolve


@click.command(cls=FluxCommand)
@click.option("--local", is_flag=True, help="Print the local:// form.")
@click.option("--remote", is_flag=True, help="Print the ssh:// form.")
@click.option("--wait", is_flag=True, help="Wait until the job is an instance.")
@json_option("Print one JSON object with both forms.")
@click.argument("target", shell_complete=uris)
def command(local: bool, remote: bool, wait: bool, as_json: bool, target: str) -> None:
    """Print the URI of the instance that TARGET names.

    TARGET is the id of a job that is a Flux instance, or ids separated by slashes for an instance
    in an instance; / is the outermost instance, .. the one that this one is in. pid:N names the
    instance of a process on this machine, slurm:JOBID and lsf:JOBID the one in a job of Slurm or
    LSF; a URI is itself. ?local or ?remote after it is the same as
    --local and --remote, and FLUX_URI_RESOLVE_LOCAL in the environment has all URIs made local.
    """
    if local and remote:
        raise CommandError("--local and --remote exclude each other")
    uri = resolve(target, wait)
    if as_json:
        facts = {"uri": uri, "local": local_form(uri), "remote": remote_form(uri)}
        print_json({"target": target, **facts})
        return
    echo(local_form(uri) if local else remote_form(uri) if remote else uri)


EXAMPLES = """
# Print the URI of the broker that a process belongs to
flux uri pid:$$
# Print a URI that works from another machine
flux uri --remote $FLUX_URI
# Find the instance in a job of Slurm
flux uri slurm:1234
"""
