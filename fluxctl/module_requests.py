"""What ``flux module`` sends to load and remove modules, on each of several ranks."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from flux.wire.message import NODEID_ANY
from fluxctl import modern
from fluxctl.errors import CommandError
from fluxctl.hints import did_you_mean, modules

if TYPE_CHECKING:
    from collections.abc import Callable

    from flux.core.handle import Flux
    from flux.wire.json import JsonObject

    Told = Callable[[OSError, str], CommandError | None]
    """Turns the failure on a rank, and words for that rank, into what the user is told."""


def ranks_of(h: Flux, text: str | None) -> list[int]:
    """Return the node ids that ``--rank`` stands for; raises CommandError for what is none."""
    if text is None:
        return [NODEID_ANY]
    size = h.get_size()
    if text == "all":
        return list(range(size))
    from flux.idset import IDset

    try:
        ranks = IDset(text)
    except ValueError:
        raise CommandError(f"invalid rank: '{text}'") from None
    if not ranks or ranks.last() >= size:
        raise CommandError(f"rank {text} is out of range: there are {size} brokers")
    return list(ranks)


def _service_of(name: str) -> str:
    """Return the service that loads a module: ``a.b`` is loaded by ``a``, others by the broker."""
    return name.rpartition(".")[0] or "broker"


def _each(
    h: Flux,
    ranks: list[int],
    topic: str,
    body: JsonObject,
    told: Told,
    done: list[int] | None = None,
) -> None:
    """Send a request to each rank at once, and add those that did it to ``done``.

    Raises what ``told`` makes of the first failure, when all have answered.
    """
    failure: CommandError | None = None
    for rank, rpc in [(rank, h.rpc(topic, body, nodeid=rank)) for rank in ranks]:
        try:
            modern.answer(rpc, h, topic, body, rank)
            if done is not None:
                done.append(rank)
        except OSError as exc:
            where = "" if rank == NODEID_ANY else f"rank {rank}: "
            failure = failure or told(exc, where)
    if failure is not None:
        raise failure


def insert(
    h: Flux,
    name: str,
    path: str,
    args: tuple[str, ...],
    ranks: list[int],
    own: str | None = None,
    apart: bool = False,
) -> None:
    """Load a module, with a name of its ``own`` and in a process ``apart`` if that is asked for."""
    service = _service_of(name) if "/" not in name else "broker"

    def told(exc: OSError, where: str) -> CommandError:
        if exc.errno == errno.EEXIST:
            return CommandError(f"{where}{service}.insmod: {name} module/service is in use")
        return CommandError(f"{where}{service}.insmod: {exc.strerror}")

    body: JsonObject = {"path": path, "args": list(args)}
    if own is None and not apart:
        _each(h, ranks, f"{service}.insmod", body, told)
    else:  # 0.29's request has no room for these
        given = {} if own is None else {"name": own}
        _each(h, ranks, "module.load", {**body, "exec": apart, **given}, told)


def remove(
    h: Flux, name: str, force: bool, ranks: list[int], done: list[int] | None = None
) -> None:
    """Remove a module, and add the ranks that had it to ``done``; it may be absent by ``force``."""
    service = _service_of(name)

    def told(exc: OSError, where: str) -> CommandError | None:
        if force and exc.errno == errno.ENOENT:
            return None
        hint = did_you_mean(name, lambda: modules(h)) if exc.errno == errno.ENOENT else ""
        return CommandError(f"{where}{service}.rmmod {name}: {exc.strerror}{hint}")

    _each(h, ranks, f"{service}.rmmod", {"name": name}, told, done)


def check(h: Flux, path: str, args: tuple[str, ...], ranks: list[int]) -> None:
    """Raise CommandError if a module could not be loaded; flux-core's brokers cannot tell."""

    def told(exc: OSError, where: str) -> CommandError | None:
        if exc.errno == errno.ENOSYS:
            return None
        return CommandError(f"{where}broker.insmod: {exc.strerror}")

    _each(h, ranks, "broker.check-module", {"path": path, "args": list(args)}, told)


def restored(h: Flux, name: str, failure: CommandError, ranks: list[int]) -> CommandError:
    """Load a module again on the ranks that have lost it; returns the failure to tell of."""
    restored = False
    for rank in ranks:
        try:
            h.rpc("broker.restore-module", {"name": name}, nodeid=rank).get()
        except OSError:
            continue  # it is there, or the broker is flux-core's
        restored = True
    note = f"; {name} was loaded again as it was" if restored else ""
    return CommandError(f"{failure.message}{note}")
