"""Every request that a broker answers, read off its services: the source of docs/topics.md and of
the tests that try them all."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from broker.builtin.attr import AttrService
from broker.builtin.broker import BrokerService, NameService
from broker.builtin.event import EventService
from broker.builtin.heaptrace import HeapTraceService
from broker.builtin.log import LogService
from broker.builtin.overlay import OverlayService
from broker.builtin.runat import RunAtService
from broker.builtin.shutdown import ShutdownService
from broker.builtin.state import StateMachineService
from broker.service import Service, events_of, routes_of
from broker.services.connector_local.service import ConnectorLocalService
from broker.services.content.service import ContentService
from broker.services.rexec.service import RexecService
from broker.services.shell_host.service import ShellHostService
from flux.modules import MODULES

if TYPE_CHECKING:
    from collections.abc import Iterator

#: The services that are the broker itself; the modules are in `flux.modules`.
OWN_SERVICES: tuple[type[Service], ...] = (
    AttrService,
    BrokerService,
    EventService,
    HeapTraceService,
    LogService,
    NameService,
    OverlayService,
    RunAtService,
    ShutdownService,
    StateMachineService,
    ContentService,
    RexecService,
    ShellHostService,
    ConnectorLocalService,
)


@dataclass(frozen=True)
class Topic:
    """One request: its topic, who answers it, who may send it (guests too, or the owner only), and
    what it does.

    ``room`` is the module of the code that answers, ``common`` whether every service answers it in
    the same way.
    """

    name: str
    service: str
    room: str
    guest: bool
    streaming: bool
    raw: bool
    leader_only: bool
    common: bool
    doc: str


def services() -> Iterator[tuple[type[Service], bool]]:
    """Yield every service class and whether it runs on rank 0 only."""
    for cls in OWN_SERVICES:
        yield cls, False
    for module in MODULES.values():
        name, _, attribute = module.target.partition(":")
        yield getattr(importlib.import_module(name), attribute), module.leader_only


def topics() -> list[Topic]:
    """Return every request that is registered by decorator, sorted by topic."""
    found = []
    for cls, leader_only in services():
        for name, route, handler in routes_of(cls):
            found.append(
                Topic(
                    name,
                    cls.name,
                    handler.__module__,
                    route.guest,
                    route.streaming,
                    route.raw,
                    leader_only,
                    handler.__module__ == Service.__module__,
                    _first_paragraph(handler),
                )
            )
    return sorted(found, key=lambda topic: (topic.name, topic.service))


def events() -> list[tuple[str, str, str]]:
    """Return (topic prefix, service, what it does) of every event that a service acts on, by
    decorator.
    """
    found = []
    for cls, _ in services():
        for prefix, handler in events_of(cls):
            found.append((prefix, cls.name, _first_paragraph(handler)))
    return sorted(found)


def _first_paragraph(function: object) -> str:
    return " ".join((function.__doc__ or "").split("\n\n")[0].split())
