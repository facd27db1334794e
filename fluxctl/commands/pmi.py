"""``flux pmi``: PMI-1 (RFC 13) of a job, tried by its tasks (docs/todays-commands.md)."""

from __future__ import annotations

import errno
import os
import signal
import sys
import time
from typing import TYPE_CHECKING, Final, NoReturn

import click

from fluxctl.command import FluxCommand, FluxGroup, echo
from fluxctl.errors import CommandError
from fluxctl.option_types import COUNT

if TYPE_CHECKING:
    from collections.abc import Callable

    from broker.pmi_client import PmiClient

SIMPLE: Final = "simple"
SINGLE: Final = "single"
METHODS: Final = (SIMPLE, SINGLE)
LONGEST: Final = 3e9
"""Seconds that a timer can be set to, a hundred years: what is longer, or infinite, is as good."""


class Single:
    """The PMI of a process that is alone."""

    rank = 0
    size = 1
    kvsname = SINGLE

    def __init__(self) -> None:
        self._pairs: dict[str, str] = {}

    def put(self, key: str, value: str) -> None:
        """Store a pair."""
        self._pairs[key] = value

    def get(self, key: str) -> str:
        """Return a value; raises OSError(ENOENT) if there is none."""
        if key not in self._pairs:
            raise OSError(errno.ENOENT, "key not found")
        return self._pairs[key]

    def barrier(self) -> None:
        """There is nobody to wait for."""

    def abort(self, exitcode: int, message: str) -> None:
        """Say why this process ends."""
        sys.stderr.write(f"flux-pmi: {message}\n")

    def finalize(self) -> None:
        """End the use of PMI."""


class Traced:
    """PMI as one of the methods offers it; what is done is told if that is asked for."""

    def __init__(self, method: str, pmi: PmiClient | Single, *, verbose: bool) -> None:
        self._method, self._pmi, self._verbose = method, pmi, verbose
        self.rank, self.size = pmi.rank, pmi.size
        self._say(f"initialize: rank={self.rank} size={self.size} name={pmi.kvsname}: success")
        self._say("selected")

    def _say(self, text: str) -> None:
        if self._verbose:
            sys.stderr.write(f"{self._method}: {text}\n")

    def _do(self, what: str, action: Callable[[], str | None]) -> str:
        """Do something that PMI may refuse; raises CommandError."""
        try:
            value = action()
        except OSError as exc:
            unknown = exc.errno == errno.ENOENT and self._method == SIMPLE
            why = "invalid key argument" if unknown else exc.strerror
            self._say(f"{what}: {why}")
            raise CommandError(f"{what}: {why}") from None
        self._say(f"{what}{'' if value is None else f' value={value}'}: success")
        return value or ""

    def put(self, key: str, value: str) -> None:
        """Store a pair, visible to the others after a barrier."""
        self._do(f"put key={key} value={value}", lambda: self._pmi.put(key, value))

    def get(self, key: str) -> str:
        """Return a value."""
        return self._do(f"get {key}", lambda: self._pmi.get(key))

    def barrier(self) -> None:
        """Wait for the others."""
        self._do("barrier", self._pmi.barrier)

    def abort(self) -> NoReturn:
        """End the whole job."""
        self._pmi.abort(1, f"flux-pmi: rank {self.rank} is aborting")
        sys.exit(1)

    def finalize(self) -> None:
        """End the use of PMI."""
        self._do("finalize", self._pmi.finalize)

    def completed(self, what: str, seconds: float | None = None) -> None:
        """Tell on the first rank that all have done something."""
        if self.rank == 0:
            took = "" if seconds is None else f" in {seconds:.3f}s."
            job = os.environ.get("FLUX_JOB_ID", "0")
            echo(f"{job}: completed pmi {what} on {self.size} tasks{took}")


def _client(method: str | None, *, verbose: bool) -> Traced:
    """Return PMI by a method, by default by the first one that there is here."""
    from broker.pmi_client import PmiClient

    if method is not None and method not in METHODS:
        raise CommandError(f"plugin matching '{method}' not found")
    for name in (method,) if method else METHODS:
        if verbose and not method:
            sys.stderr.write(f"flux-pmi-client: trying '{name}'\n")
        try:
            found = Single() if name == SINGLE else PmiClient.from_environment()
        except OSError as exc:
            raise CommandError(f"{name}: {exc.strerror}") from None
        if found is not None:
            return Traced(name, found, verbose=verbose)
        if verbose:
            sys.stderr.write(f"{name}: PMI_FD not found in environ\n")
    raise CommandError(f"{method}: PMI_FD not found in environ")


@click.group("pmi", cls=FluxGroup)
@click.option("--method", metavar="URI", help="Use PMI by simple (PMI_FD) or single (no other).")
@click.option("-v", "--verbose", count=True, help="Trace what PMI is asked for.")
@click.option("-t", "--timeout", metavar="FSD", help="Fail after this time.")
@click.pass_context
def command(ctx: click.Context, method: str | None, verbose: int, timeout: str | None) -> None:
    """Try the PMI that tasks of a job, or brokers of an instance, have."""
    if timeout is not None:
        from flux.util import parse_fsd

        try:
            seconds = parse_fsd(timeout)
        except ValueError:
            raise CommandError(f"could not parse --timeout '{timeout}'") from None
        signal.signal(signal.SIGALRM, _timed_out)
        signal.setitimer(signal.ITIMER_REAL, min(seconds, LONGEST))
    ctx.obj = lambda: _client(method, verbose=bool(verbose))


def _timed_out(*_: object) -> NoReturn:
    raise CommandError(os.strerror(errno.ETIMEDOUT))


@command.command("barrier", cls=FluxCommand)
@click.option("--test-count", type=COUNT, default=1, metavar="N", help="Enter N barriers (1).")
@click.option("--test-abort", type=COUNT, metavar="RANK", help="RANK aborts the job instead.")
@click.option("--test-timing", is_flag=True, help="Synchronize, then tell how long one takes.")
@click.pass_obj
def barrier(
    connect: Callable[[], Traced], test_count: int, test_abort: int | None, test_timing: bool
) -> None:
    """Wait until all tasks of the job are here."""
    pmi = connect()
    if test_timing:
        pmi.barrier()
    if test_abort == pmi.rank:
        pmi.abort()
    for _ in range(test_count):
        began = time.monotonic()
        pmi.barrier()
        pmi.completed("barrier", time.monotonic() - began if test_timing else None)
    pmi.finalize()


@command.command("exchange", cls=FluxCommand)
@click.option("--count", type=COUNT, default=1, metavar="N", help="Exchange N times (1).")
@click.pass_obj
def exchange(connect: Callable[[], Traced], count: int) -> None:
    """Have each task tell all others something, as allgather does."""
    pmi = connect()
    for turn in range(count):
        began = time.monotonic()
        pmi.put(f"pmi-exchange.{turn}.{pmi.rank}", str(pmi.rank))
        pmi.barrier()
        for rank in range(pmi.size):
            value = pmi.get(f"pmi-exchange.{turn}.{rank}")
            if value != str(rank):
                raise CommandError(f"rank {pmi.rank} got '{value}' of rank {rank}")
        pmi.barrier()
        pmi.completed("exchange", time.monotonic() - began)
    pmi.finalize()


@command.command("get", cls=FluxCommand)
@click.option("--ranks", metavar="{IDSET|all}", default="0", help="The ranks that print it (0).")
@click.argument("keys", metavar="KEY...", nargs=-1)
@click.pass_obj
def get(connect: Callable[[], Traced], ranks: str, keys: tuple[str, ...]) -> None:
    """Print values of the job's PMI."""
    from flux.idset import IDset

    pmi = connect()
    try:
        wanted = ranks == "all" or pmi.rank in IDset(ranks)
    except ValueError:
        raise CommandError(f"could not parse --ranks '{ranks}'") from None
    for key in keys if wanted else ():
        echo(pmi.get(key))
    pmi.finalize()


EXAMPLES = """
# Do all tasks of a job find each other?
flux run -n4 flux pmi barrier
# How are tasks mapped to nodes, as PMI tells MPI programs?
flux run -n2 flux pmi get PMI_process_mapping
"""
