"""docs/limits.md gives the numbers that the code has."""

from __future__ import annotations

import pathlib

from broker.builtin import attr
from broker.builtin import broker as names
from broker.event_rights import MAX_TOPIC
from broker.overlay import arrears
from broker.services.barrier import service as barrier
from broker.services.connector_local import client, limits
from broker.services.cron.triggers import MAX_SECONDS
from broker.services.job_exec.simulated import LONGEST
from broker.services.job_manager import control
from broker.services.resource import draining as resource
from broker.services.resource.state import MAX_CHILD
from broker.subprocess import streams
from flux.hostlist import MAX_HOSTS

PAGE = (pathlib.Path(__file__).parents[2] / "docs" / "limits.md").read_text()


def mib(size: int) -> str:
    return f"{size >> 20} MiB"


def row(begin: str) -> list[str]:
    """Return the cells of the table row that begins with some words."""
    [line] = [line for line in PAGE.splitlines() if line.startswith(f"| {begin}")]
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_the_bounds_of_clients() -> None:
    owner, guest = limits.OWNER, limits.GUEST
    for begin, name in (
        ("events and requests that wait", "backlog"),
        ("the same for all connections", "user_events"),
        ("answers that wait for a connection", "backlog"),
        ("answers that wait for all", "user_answers"),
        ("one message", "message"),
        ("half-received", "half"),
    ):
        assert row(begin)[1:3] == [mib(getattr(owner, name)), mib(getattr(guest, name))], begin
    assert f"{limits.STALL:g} s" in row("answers that wait for a connection")[3]
    assert f"{limits.HALF_STALL:g} s" in row("half-received")[3]
    assert row("connections of a user")[2] == str(guest.connections)
    assert row("requests of a connection")[2] == str(guest.pending)
    assert row("bytes of a user's requests")[2] == mib(guest.user_pending or 0)
    assert row("services used by")[2] == f"{guest.names} each"
    assert row("service names that")[1:3] == [
        str(names.MAX_SERVICES),
        str(names.MAX_GUEST_SERVICES),
    ]
    assert row("characters of a topic")[1] == str(MAX_TOPIC)
    assert row("messages taken")[1] == str(client.SLICE)
    assert f"at most {limits.CUT_LINES} in {limits.LOG_PERIOD:g} s" in PAGE
    assert limits.GUEST_SHARE == 4


def test_the_attributes() -> None:
    assert row("`access.owner-backlog`")[1] == str(limits.OWNER.backlog)
    assert row("`access.guest-backlog`")[1] == str(limits.GUEST.backlog)
    assert row("`access.guest-connections`")[1] == str(limits.GUEST.connections)


def test_the_bounds_of_neighbours() -> None:
    assert (
        f"more than {mib(arrears.HARD_LIMIT)}, or more than {mib(arrears.SOFT_LIMIT)} "
        f"for {arrears.PATIENCE:g} s" in PAGE
    )


def test_names_and_numbers() -> None:
    assert row("attributes:")[1] == f"{attr.MAX_NAME}, {mib(attr.MAX_VALUE)}, {attr.MAX_ATTRIBUTES}"
    assert row("service names: characters")[1] == str(names.MAX_NAME)
    assert row("barriers:")[1] == f"{barrier.MAX_NAME}, {barrier.MAX_PROCESSES}"
    assert row("reasons for draining")[1] == str(resource.MAX_REASON)
    assert row("exceptions of jobs")[1] == f"{control.MAX_TYPE}, {control.MAX_NOTE}"
    assert row("annotations of a job")[1] == str(control.MAX_ANNOTATIONS)
    assert row("hosts that a hostlist")[1] == str(MAX_HOSTS)
    assert row("greatest core")[1] == str(MAX_CHILD)
    assert row("times of cron entries")[1] == f"{MAX_SECONDS:.0f}" == f"{LONGEST:.0f}"
    assert row("remote commands:")[1] == f"{streams.CHANNELS_MAX}, {mib(streams.INPUT_LIMIT)}"
