"""Attributes that today's flux-core has and 0.29 has not: their values, and what they set."""

from __future__ import annotations

import errno
import math
import re
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from flux.duration import parse_fsd
from flux.idset import IDset

if TYPE_CHECKING:
    from collections.abc import Mapping

    from broker.attributes import Attributes
    from broker.configuration import Config

TOPO: Final = "tbon.topo"
CRITICAL: Final = "broker.critical-ranks"
CLEANUP_TIMEOUT: Final = "broker.cleanup-timeout"
SHUTDOWN_TIMEOUT: Final = "broker.shutdown-timeout"
TIMEOUTS: Final = {CLEANUP_TIMEOUT: 15.0, SHUTDOWN_TIMEOUT: 20.0}
"""Seconds for the end of jobs, and for that of other brokers, where nobody said otherwise."""
LINK_TIMES: Final = ("connect_timeout", "tcp_user_timeout")
"""Keys of ``[tbon]`` that are attributes as well, which count before it."""
_FLAT: Final = 1 << 15
"""A fan-out that no instance reaches."""


def take_topology(attrs: Attributes) -> None:
    """Have ``tbon.topo`` say what ``tbon.fanout`` does; raises OSError(EINVAL) for a tree that is
    not built here.
    """
    text = attrs.get(TOPO)
    if text is None:
        return
    match = re.fullmatch(r"kary:([0-9]{1,5})", text)
    if match is None or int(match[1]) > _FLAT:
        raise OSError(errno.EINVAL, f"{TOPO}: invalid value '{text[:100]}': expected kary:FANOUT")
    attrs.define("tbon.fanout", str(int(match[1]) or _FLAT))


def with_links(config: Config, attrs: Attributes) -> Config:
    """Return a configuration with the times of ``[tbon]`` that attributes set; raises
    OSError(EINVAL) for one that is no duration of RFC 23.
    """
    given: dict[str, float] = {}
    for key in LINK_TIMES:
        text = attrs.get(f"tbon.{key}")
        if text is None:
            continue
        try:
            given[key] = parse_fsd(text)
        except ValueError:
            raise OSError(errno.EINVAL, f"tbon.{key}: invalid value '{text[:100]}'") from None
    return replace(config, tbon=replace(config.tbon, **given)) if given else config


def end_timeout(attrs: Attributes, name: str) -> float | None:
    """Return the seconds that one of `TIMEOUTS` has, None for no limit; raises OSError(EINVAL) if
    it is neither a duration of RFC 23 nor ``none``.
    """
    text = attrs.get(name)
    if text is None:
        return TIMEOUTS[name]
    try:
        seconds = math.inf if text == "none" else parse_fsd(text)
    except ValueError:
        raise OSError(errno.EINVAL, f"{name}: invalid value '{text[:100]}'") from None
    return None if math.isinf(seconds) else seconds


def critical_ranks(attrs: Attributes) -> frozenset[int]:
    """Return the ranks without which the instance ends; raises OSError(EINVAL) if the attribute is
    no idset.
    """
    text = attrs.get(CRITICAL) or ""
    try:
        return frozenset(IDset(text))
    except ValueError:
        raise OSError(errno.EINVAL, f"{CRITICAL}: invalid value '{text[:100]}'") from None


def check_todays(attrs: Attributes) -> None:
    """Raise OSError(EINVAL) for a value that means nothing."""
    critical_ranks(attrs)
    for name in TIMEOUTS:
        end_timeout(attrs, name)


def jobid_path(environ: Mapping[str, str], level: int, parents: str | None) -> str | None:
    """Return the ids of the jobs from the outermost instance to this one, as a path; None where
    the enclosing instance does not tell its own (``parents``) and is itself a job.
    """
    text = environ.get("FLUX_JOB_ID")
    if not level or text is None:
        return "/"
    if parents is None and level > 1:
        return None
    from flux.job.JobID import JobID  # most instances are no jobs

    try:
        return f"{(parents or '/').rstrip('/')}/{JobID(text).f58}"
    except (ValueError, OverflowError):
        return None
