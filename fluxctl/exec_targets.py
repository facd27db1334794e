"""Where ``flux exec`` runs a command: the brokers of an instance, or the shells of a job."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from fluxctl.errors import CommandError
from fluxctl.exec_requests import BROKER_SERVICE

if TYPE_CHECKING:
    from flux.core.handle import Flux
    from flux.idset import IDset


class Targets(Struct, frozen=True):
    """The ranks that are asked for, those among them that there are not, and the service that runs
    processes there.
    """

    ranks: IDset
    missing: IDset
    service: str = BROKER_SERVICE


def of_instance(h: Flux, text: str, exclude: str | None) -> Targets:
    """Return the brokers that an IDSET argument, or ``all``, means, without those to ``exclude``;
    raises CommandError if there are none.
    """
    from flux.idset import IDset

    size = int(h.rpc("attr.get", {"name": "size"}).get()["value"])
    everywhere = IDset(f"0-{size - 1}")
    ranks = _chosen(text, everywhere)
    if exclude:
        ranks = ranks - _decoded(exclude)
    if not ranks:
        raise CommandError("No valid ranks specified", 1)
    return Targets(ranks, ranks - everywhere)


def of_job(h: Flux, jobid: str, text: str, exclude: str | None) -> Targets:
    """Return the shells of a job that runs; the IDSET arguments count its ranks from 0.

    Raises CommandError if it does not run, or has no such ranks.
    """
    from flux.idset import IDset

    number, of_brokers = _running(h, jobid)
    every = IDset(f"0-{len(of_brokers) - 1}")
    chosen = _chosen(text, every)
    if not chosen or chosen - every:
        raise CommandError(f"One or more invalid --ranks specified: {text}", 1)
    if exclude:
        chosen = chosen - _decoded(exclude)
    if not chosen:
        raise CommandError("No targets specified", 1)
    places = of_brokers.expand()
    ranks = IDset([places[index] for index in chosen])
    return Targets(ranks, IDset(), f"{_service_of(h, number, jobid)}.rexec")


def _chosen(text: str, every: IDset) -> IDset:
    return every if text == "all" else _decoded(text)


def _decoded(text: str) -> IDset:
    from flux.idset import IDset

    try:
        return IDset(text)
    except ValueError:
        raise CommandError("idset_decode: Invalid argument", 1) from None


def _running(h: Flux, text: str) -> tuple[int, IDset]:
    """Return the id of a job and the ranks that it runs on."""
    from flux.constants import FLUX_JOB_STATE_RUN
    from flux.idset import IDset
    from flux.job.JobID import JobID

    try:
        number = JobID(text)
    except ValueError:
        raise CommandError(f'error parsing jobid: "{text}"', 1) from None
    try:
        request = {"id": number, "attrs": ["ranks", "state"]}
        job = h.rpc("job-list.list-id", request, nodeid=0).get()["job"]
    except FileNotFoundError:
        raise CommandError(f"job {text} not found", 1) from None
    except OSError as exc:
        raise CommandError(f"job {text}: {exc.strerror or exc}", 1) from None
    if job.get("state") != FLUX_JOB_STATE_RUN:
        raise CommandError(f"job {text} is not currently running", 1)
    return number, IDset(job["ranks"])


def _service_of(h: Flux, number: int, text: str) -> str:
    """Return the service of a job, which its shells tell once they have started."""
    from flux.job.event import event_wait
    from flux.job.follow import EXEC

    try:
        told = event_wait(h, number, "shell.init", eventlog=EXEC)
    except OSError:
        told = None
    if told is None:
        raise CommandError(f"job {text} has no shell that runs processes", 1)
    return str(told.context["service"])
