"""``flux job-validator``: what the validators of job-ingest say of jobs that nobody submits."""

from __future__ import annotations

import click

from fluxctl.errors import CommandError
from fluxctl.python_style import PythonCommand


class PluginOptions(PythonCommand):
    """Passes on the options of plugins; ``--help`` shows those of the plugins that are chosen."""

    ignore_unknown_options = True

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Keep all arguments: which there are is known once the plugins are loaded."""
        ctx.args = list(args)
        return []


@click.command(cls=PluginOptions, add_help_option=False)
@click.option("--jobspec-only", is_flag=True, help="Expect nothing but jobspecs on standard input.")
@click.option("--list-plugins", is_flag=True, help="List the validator plugins, and exit.")
@click.option(
    "--plugins", metavar="LIST", help="Plugins or files of such to use, by default jobspec."
)
@click.option(
    "--require-version", metavar="V", help="Version that jobspecs must have, or any (jobspec)."
)
@click.option("--feasibility-service", metavar="NAME", help="Which service is asked (feasibility).")
@click.option("--schema", metavar="FILE", help="JSON schema of jobspecs (schema).")
@click.option("-h", "--help", "wanted", is_flag=True, help="Show options of the plugins, too.")
@click.pass_context
def command(ctx: click.Context, /, **_options: object) -> None:
    """Check jobs, one JSON object a line on standard input: {"jobspec": ...}, or a jobspec.

    Each is answered with a line {"errnum": N, "errstr": TEXT}; the exit code is 1 if one was not
    valid.
    """
    from flux.job.validator.__main__ import main

    code = main(ctx.args)
    if code:
        raise CommandError("", code)


EXAMPLES = """
# See whether the scheduler could ever run a job
flux mini run --dry-run -n2 hostname | flux job-validator --jobspec-only --plugins=feasibility
# See which plugins there are
flux job-validator --list-plugins
"""
