"""``flux uptime``: how long an instance has been running (docs/todays-commands.md)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from flux.core.attributes import attribute_of
from fluxctl.command import FluxCommand, echo, handle
from fluxctl.errors import CommandError
from fluxctl.json_output import json_option, print_json

if TYPE_CHECKING:
    from flux.core.handle import Flux


@click.command("uptime", cls=FluxCommand)
@json_option()
def command(as_json: bool) -> None:
    """Tell how long this instance has been running.

    The line has the time, the state of the broker and for how long, the owner of the instance, how
    many instances enclose it and the number of its brokers; then how many of these are drained or
    offline, and on a line of its own what keeps jobs from being submitted or started.
    """
    with handle() as h:
        try:
            found = uptime(h, time.time())
        except OSError as exc:
            raise CommandError(exc.strerror or str(exc)) from None
    if as_json:
        print_json(found)
        return
    for line in lines_of(found, time.localtime()):
        echo(line)


def uptime(h: Flux, now: float) -> dict[str, object]:
    """Return what is known of an instance; ``now`` is in seconds since the epoch.

    Raises OSError if the broker does not answer.
    """
    import pwd

    state = str(h.rpc("state-machine.get", {}, nodeid=0).get()["state"])
    owner = int(attribute_of(h, "security.owner") or 0)
    try:
        name = pwd.getpwuid(owner).pw_name
    except KeyError:
        name = str(owner)
    found: dict[str, object] = {
        "state": state,
        "seconds": max(now - float(attribute_of(h, "broker.starttime") or now), 0.0),
        "owner": name,
        "depth": int(attribute_of(h, "instance-level") or 0),
        "size": int(attribute_of(h, "size") or 0),
    }
    found |= _ranks(h)
    found |= _queues(h)
    return found


def _ranks(h: Flux) -> dict[str, object]:
    """Return how many ranks are drained and offline, nothing where no module tells."""
    from flux.resource.list import resource_status

    try:
        status = resource_status(h, nodeid=0).get()
    except OSError:
        return {}
    return {"drained": len(status.drain), "offline": len(status.offline)}


def _queues(h: Flux) -> dict[str, object]:
    """Return whether jobs may be submitted and are started."""
    from fluxctl.queue_requests import QueueRequests

    try:
        requests = QueueRequests(h)
        submission = requests.admin("submit-admin", True, False)
        scheduling = requests.admin("alloc-admin", True, False)
    except (OSError, CommandError):
        return {}
    return {"submit": bool(submission["enable"]), "scheduling": bool(scheduling["enable"])}


def lines_of(found: dict[str, object], clock: time.struct_time) -> list[str]:
    """Return what ``flux uptime`` prints at the time ``clock``."""
    from flux.duration import fsd

    seconds = found["seconds"]
    lasted = fsd(float(seconds) if isinstance(seconds, int | float) else 0.0)
    line = (
        f" {time.strftime('%H:%M:%S', clock)} {found['state']} {lasted},"
        f"  owner {found['owner']},  depth {found['depth']},  size {found['size']}"
    )
    for name in ("drained", "offline"):
        if found.get(name):
            line += f",  {found[name]} {name}"
    stopped = []
    if found.get("submit") is False:
        stopped.append("submit disabled")
    if found.get("scheduling") is False:
        stopped.append("scheduler stopped")
    return [line, f"  {',  '.join(stopped)}"] if stopped else [line]


EXAMPLES = """
# See whether the instance is well, and for how long it has been
flux uptime
"""
