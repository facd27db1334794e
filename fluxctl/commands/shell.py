"""``flux shell``: the job shell, on its own without an instance (flux-shell(1))."""

from __future__ import annotations

import sys
from typing import NoReturn

import click

from fluxctl.command import FluxCommand
from fluxctl.errors import CommandError
from fluxctl.option_types import COUNT


@click.command(cls=FluxCommand, name="shell", short_help="run the job shell")
@click.option("-v", "--verbose", count=True, help="Log actions to stderr.")
@click.option(
    "--initrc", metavar="FILE", help="Load shell initrc from FILE instead of the system default."
)
@click.option(
    "-R", "--resources", metavar="FILE", help="Load resource set R from FILE instead of job-info."
)
@click.option("-j", "--jobspec", metavar="FILE", help="Load jobspec from FILE instead of job-info.")
@click.option(
    "-r",
    "--broker-rank",
    type=COUNT,
    metavar="RANK",
    help="Act as the shell of broker RANK, the first of R without it.",
)
@click.option(
    "-s", "--standalone", is_flag=True, help="Run as a local program without a Flux instance."
)
@click.argument("jobid")
def command(
    verbose: int,
    initrc: str | None,
    resources: str | None,
    jobspec: str | None,
    broker_rank: int | None,
    standalone: bool,
    jobid: str,
) -> NoReturn:
    """Run the tasks of job JOBID on this machine; jobspec and R come from files or, with an
    instance, from job-info.
    """
    from broker.shell.jobinfo import parse_job
    from broker.shell.main import run_standalone
    from flux.job.JobID import JobID

    try:
        number = int(JobID(jobid))
    except (ValueError, OverflowError):
        raise CommandError(f'error parsing jobid: "{jobid}"') from None
    if standalone and not (resources and jobspec):
        raise CommandError("--standalone requires --jobspec and --resources", 1)
    spec = _load(jobspec) if jobspec else _lookup(number, "jobspec")
    allocated = _load(resources) if resources else _lookup(number, "R")
    info = parse_job(number, _userid(), spec, allocated)
    index = [
        rank.rank for rank in info.ranks if broker_rank is None or rank.broker_rank == broker_rank
    ]
    if not index:
        raise CommandError(f"rank {broker_rank} is not in R", 1)
    sys.exit(run_standalone(info, index[0], verbose=verbose, initrc=initrc))


def _userid() -> int:
    import os

    return os.getuid()


def _load(path: str) -> dict[str, object]:
    """Return the JSON object in a file."""
    from flux.wire.json import loads

    try:
        with open(path, "rb") as file:
            value = loads(file.read())
    except OSError as error:
        raise CommandError(f"error opening {path}: {error.strerror}", 1) from error
    except ValueError as error:
        raise CommandError(f"error parsing {path}: {error}", 1) from error
    if not isinstance(value, dict):
        raise CommandError(f"error parsing {path}: not an object", 1)
    return value


def _lookup(jobid: int, key: str) -> dict[str, object]:
    """Return a JSON object of the job from the instance."""
    from flux.constants import FLUX_JOB_LOOKUP_CURRENT
    from flux.wire.json import loads
    from fluxctl.command import handle

    answer = (
        handle()
        .rpc("job-info.lookup", {"id": jobid, "keys": [key], "flags": FLUX_JOB_LOOKUP_CURRENT})
        .get()
    )
    value: dict[str, object] = loads((answer or {})[key])
    return value


EXAMPLES = """
# Run a job's tasks here, without an instance, from files
flux jobspec srun -n1 echo hello >jobspec.json
flux R encode -r 0 -c 0 >R.json
flux shell --standalone --jobspec=jobspec.json --resources=R.json --broker-rank=0 1
"""
