"""The arguments of the scheduler module, and ``[sched-simple]`` of the configuration. Pure."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from broker.services.sched_simple.pool import BEST_FIT, FIRST_FIT, WORST_FIT
from broker.services.sched_simple.state import EASY, FCFS
from flux.job.describe import queue_name

if TYPE_CHECKING:
    from broker.configuration import Config
    from flux.wire.json import JsonMapping, JsonObject

DEFAULT_LIMIT: Final = 1024
ALLOC_MODES: Final = (WORST_FIT, BEST_FIT, FIRST_FIT)
POLICIES: Final = (FCFS, EASY)


class SchedOptions(Struct, frozen=True):
    """How many requests the job manager may have waiting here, None for any number; which ranks are
    taken first; whether requests behind one that waits may be met.
    """

    limit: int | None = DEFAULT_LIMIT
    alloc_mode: str = WORST_FIT
    policy: str = FCFS
    unknown_mode: str = ""
    """A mode that an argument asks for and that there is not: the module works without."""
    free_lookup: bool = True
    """Whether R is looked at when resources come back; without, each time is an error told in the
    log, and what is free again is what the scheduler knows that the job had. For tests."""

    @property
    def ready(self) -> JsonObject:
        """The request that tells the job manager that we are ready (RFC 27)."""
        if self.limit is None:
            return {"mode": "unlimited"}
        if self.limit == 1:
            return {"mode": "single"}
        return {"mode": "limited", "limit": self.limit}


def parse_options(args: list[str], config: Config | None = None) -> SchedOptions:
    """Return the options that arguments stand for: ``mode=unlimited`` or ``mode=limited=N``;
    ``alloc-mode=worst-fit``, ``best-fit`` or ``first-fit``; ``queue-policy=fcfs`` or ``easy``;
    ``test-free-nolookup``. Without one the configuration says it. The mode ``single`` is the
    configuration's only: as an argument flux-core has ``limited=1``.

    Raises OSError(EINVAL) for another argument; a mode that there is not is only noted, as an
    instance without a scheduler would be worse.
    """
    found: dict[str, str] = {}
    if config is not None:
        table = config.sched_simple
        configured = {
            "mode": table.mode,
            "alloc-mode": table.alloc_mode,
            "queue-policy": table.queue_policy,
        }
        found = {key: value for key, value in configured.items() if value is not None}
    unknown_mode, free_lookup = "", True
    for arg in args:
        if arg == "test-free-nolookup":
            free_lookup = False
            continue
        key, _, value = arg.partition("=")
        if key not in ("mode", "alloc-mode", "queue-policy"):
            raise OSError(errno.EINVAL, f"Unknown module option: '{arg}'")
        if key == "mode" and (value == "single" or not _is_mode(value)):
            unknown_mode = value or arg
        else:
            found[key] = value
    alloc_mode, policy = found.get("alloc-mode", WORST_FIT), found.get("queue-policy", FCFS)
    if alloc_mode not in ALLOC_MODES:
        raise OSError(errno.EINVAL, f"unknown alloc-mode {alloc_mode}")
    if policy not in POLICIES:
        raise OSError(errno.EINVAL, f"unknown queue-policy {policy}")
    limit = _limit(found["mode"]) if "mode" in found else DEFAULT_LIMIT
    return SchedOptions(limit, alloc_mode, policy, unknown_mode, free_lookup)


def required_by_queue(jobspec: JsonMapping, config: Config) -> tuple[str, ...]:
    """Return the properties that a job's queue requires of nodes: what the job manager adds to
    jobs when it takes them in.
    """
    name = queue_name(jobspec) or config.policy.jobspec.defaults.system.queue
    queue = config.queues.get(name or "")
    return queue.requires if queue is not None else ()


def _is_mode(text: str) -> bool:
    try:
        _limit(text)
    except OSError:
        return False
    return True


def _limit(mode: str) -> int | None:
    if mode == "single":
        return 1
    if mode == "unlimited":
        return None
    if mode.startswith("limited=") and mode[8:].isdigit() and int(mode[8:]) > 0:
        return int(mode[8:])
    raise OSError(errno.EINVAL, f"unknown mode {mode}")
