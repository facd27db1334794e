"""``flux event``: publish and receive events (flux-event(1))."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

from flux.core.attributes import attribute_of
from flux.terminal_text import terminal_line
from fluxctl import modern
from fluxctl.command import FluxGroup, echo, handle
from fluxctl.errors import CommandError
from fluxctl.option_types import COUNT

if TYPE_CHECKING:
    from flux.core.handle import Flux


@click.group(cls=FluxGroup)
def command() -> None:
    """Send and receive Flux events."""


@command.command("pub")
@click.option("-r", "--raw", is_flag=True, help="Send the payload as raw bytes instead of JSON.")
@click.option("-l", "--loopback", is_flag=True, help="Wait until the published event is received.")
@click.option(
    "-s", "--synchronous", is_flag=True, help="Wait for the event's sequence number and print it."
)
@click.option("-p", "--private", is_flag=True, help="Set the privacy flag of the event.")
@click.argument("topic")
@click.argument("payload", nargs=-1)
def pub(
    raw: bool,
    loopback: bool,
    synchronous: bool,
    private: bool,
    topic: str,
    payload: tuple[str, ...],
) -> None:
    """Publish an event with an optional payload.

    Several words of payload are joined by one space.
    """
    from flux.b64 import b64encode
    from flux.wire.message import event

    text = " ".join(payload) if payload else None
    data: bytes | str | None = (
        text.encode("utf-8", "surrogateescape") if raw and text is not None else text
    )
    with handle() as h:
        if loopback:
            # Before it is published: nobody gets an event that was there earlier.
            h.event_subscribe(topic)
        if synchronous or _is_guest(h):
            # Guests may not use every topic, and only a request is answered with why not.
            flags = (1 if raw and text is not None else 0) | (2 if private else 0)
            body: dict[str, object] = {"topic": topic, "flags": flags}
            if isinstance(data, bytes):
                body["payload"] = b64encode(data)
            elif data is not None:
                from flux.wire import json

                try:
                    body["payload"] = json.loads(data)
                except ValueError:
                    raise CommandError("payload is not valid JSON") from None
            seq = modern.ask(h, "event.pub", body)["seq"]
            if synchronous:
                echo(f"seq={seq}")
        else:
            h.send_wire(event(topic, data, private=private))
        if loopback:
            h.event_recv(topic)
        elif not synchronous:
            # An event is not answered. Its connection is served in order, so that the answer to
            # anything sent after it tells that the broker has taken it before we disconnect.
            h.rpc("attr.get", {"name": "rank"}).get()


def _is_guest(h: Flux) -> bool:
    """Whether what this program sends is not the instance owner's."""
    mask = os.environ.get("FLUX_HANDLE_ROLEMASK")
    return mask is not None or attribute_of(h, "security.owner") != str(os.getuid())


@command.command("sub")
@click.option("-c", "--count", type=COUNT, default=0, metavar="N", help="Exit after N events.")
@click.option("--json", "as_json", is_flag=True, help="Print each event as one line of JSON.")
@click.argument("topics", nargs=-1, metavar="[TOPIC...]")
def sub(count: int, as_json: bool, topics: tuple[str, ...]) -> None:
    """Print events whose topic starts with one of TOPICs, or all events."""
    if count < 0:
        raise CommandError("count must be >= 0")
    with handle() as h:
        for topic in topics or ("",):
            h.event_subscribe(topic)
        received = 0
        while count == 0 or received < count:
            message = h.event_recv()
            received += 1
            text = message.payload_str or ""
            if as_json:
                from flux.wire import json

                try:
                    value = message.payload
                except ValueError:
                    value = text
                echo(
                    json.dumps_str(
                        {"topic": message.topic, "sequence": message.seq, "payload": value}
                    )
                )
            else:
                echo(f"{terminal_line(message.topic or '')}\t{text}")
            sys.stdout.flush()
        for topic in topics or ("",):
            h.event_unsubscribe(topic)


EXAMPLES = """
# Tell whoever listens that a file is ready, and wait until it is on its way
flux event pub --loopback data.ready '{"path": "/tmp/data"}'
# Print the next event of any topic that begins with heartbeat
flux event sub --count=1 heartbeat
"""
