"""Modules of a broker, and plugins of its job manager."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from flux.wire import json
from tui.model import format as fmt
from tui.model.listing import ListColumn, Listing
from tui.model.logs import Line

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from flux.wire.json import JsonMapping
    from tui.model.rates import Rates

MODULE: Final = "module"
PLUGIN: Final = "plugin"
STATES: Final = {0: "init", 1: "running", 2: "finalizing", 3: "exited"}
"""What the number of a module's state stands for (RFC 5)."""


@dataclass(frozen=True, slots=True)
class Module:
    """A module, or a plugin of the job manager. What is not told is -1, a rate that is not known
    yet None; ``idle`` is in seconds, ``queued`` counts messages that wait for it.
    """

    kind: str
    name: str
    state: str = ""
    services: tuple[str, ...] = ()
    idle: int = -1
    size: int = -1
    path: str = ""
    queued: int = -1
    sent: int = -1
    received: int = -1
    send_rate: float | None = None
    receive_rate: float | None = None

    @property
    def title(self) -> str:
        """Its name; plugins stand below their module."""
        return f"  {self.name}" if self.kind == PLUGIN else self.name

    @property
    def others(self) -> str:
        """The services it has beside the one that is called as it is."""
        return ", ".join(name for name in self.services if name != self.name)


def modules(
    listed: JsonMapping, stats: Mapping[str, JsonMapping], rates: Rates, now: float
) -> list[Module]:
    """Return the modules that ``broker.lsmod`` or ``module.list`` answers; ``stats`` has what they
    answer of their statistics.
    """
    found = []
    for told in listed["mods"]:
        name = fmt.printable(str(told["name"]))
        sent, received = messages(stats.get(name, {}))
        queued = [told[key] for key in ("sendqueue", "recvqueue") if key in told]
        found.append(
            Module(
                MODULE,
                name,
                STATES.get(told.get("status"), "?"),
                tuple(fmt.printable(str(service)) for service in told.get("services") or ()),
                int(told.get("idle", -1)),
                int(told.get("size", -1)),
                fmt.printable(str(told.get("path") or "")),
                sum(queued) if queued else -1,
                sent,
                received,
                rates.note((name, "tx"), sent, now) if sent >= 0 else None,
                rates.note((name, "rx"), received, now) if received >= 0 else None,
            )
        )
    return found


def plugins(answer: JsonMapping) -> list[Module]:
    """Return the plugins that ``job-manager.jobtap`` answers."""
    return [Module(PLUGIN, fmt.printable(str(name))) for name in answer.get("plugins") or ()]


def with_plugins(found: Sequence[Module], loaded: Sequence[Module]) -> list[Module]:
    """Return modules by name, the plugins behind the job manager."""
    rows: list[Module] = []
    for module in sorted(found, key=lambda module: module.name):
        rows.append(module)
        if module.name == "job-manager":
            rows.extend(loaded)
    return rows


def messages(stats: JsonMapping) -> tuple[int, int]:
    """Return how many messages a module has sent and received, -1 each if its statistics do not
    tell: those of 0.29 have ``#request (tx)``, later ones tables ``tx`` and ``rx``.
    """
    found = []
    for way in ("tx", "rx"):
        numbers = [
            value
            for key, value in stats.items()
            if key.endswith(f"({way})") and isinstance(value, int)
        ]
        table = stats.get(way)
        if isinstance(table, dict):
            numbers += [value for value in table.values() if isinstance(value, int)]
        found.append(sum(numbers) if numbers else -1)
    return found[0], found[1]


def facts(stats: JsonMapping) -> dict[str, str]:
    """Return statistics as names, dotted where they are in tables, and values."""
    found: dict[str, str] = {}
    waiting: list[tuple[str, object]] = [("", dict(stats))]
    while waiting:
        name, value = waiting.pop()
        if isinstance(value, dict) and value:
            inner = [(f"{name}.{key}" if name else str(key), value[key]) for key in value]
            waiting.extend(reversed(inner))
        else:
            found[fmt.printable(name)] = fmt.printable(_text(value))
    return found


def _text(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    return fmt.count(value) if type(value) is int else json.dumps_str(value)


def fact_lines(found: Mapping[str, str], before: Mapping[str, str]) -> list[Line]:
    """Return a line for each fact; those that are not as they were ``before`` are marked."""
    width = min(40, max(map(len, found), default=0))
    return [
        Line(
            "changed" if before and before.get(name) != value else "fact",
            "",
            f"{name:<{width}}  {value}",
        )
        for name, value in found.items()
    ]


@dataclass(slots=True)
class Pings:
    """Round trips to a service, in seconds; those that were not answered are counted."""

    service: str
    times: list[float]
    lost: int = 0
    error: str = ""

    def text(self) -> str:
        """Return the figures."""
        if not self.times:
            return f"ping {self.service}: {self.error or 'waiting for the first answer'}"
        ms = [time * 1000 for time in self.times]
        return (
            f"ping {self.service}: {len(ms)} answers, last {ms[-1]:.3f} ms, "
            f"{min(ms):.3f} to {max(ms):.3f}, mean {sum(ms) / len(ms):.3f} ms"
            + (f", {self.lost} failed: {self.error}" if self.lost else "")
        )


def module_listing() -> Listing[Module]:
    """Return the list of modules, without any; unsorted as they are given, plugins among them."""
    columns = (
        ListColumn[Module]("name", "MODULE", 20, lambda m: m.title, lambda m: m.name, grow=1),
        ListColumn[Module]("state", "STATE", 10, lambda m: m.state or m.kind),
        ListColumn[Module](
            "idle", "IDLE", 6, lambda m: _seconds(m.idle), lambda m: m.idle, right=True, rank=1
        ),
        _number("sent", "SENT", 9, lambda m: m.sent, rank=3),
        ListColumn[Module](
            "sends", "SENT/S", 7, lambda m: _rate(m.send_rate), lambda m: -(m.send_rate or 0), True
        ),
        _number("received", "RECV", 9, lambda m: m.received, rank=3),
        ListColumn[Module](
            "receives",
            "RECV/S",
            7,
            lambda m: _rate(m.receive_rate),
            lambda m: -(m.receive_rate or 0),
            True,
        ),
        _number("queued", "QUEUED", 6, lambda m: m.queued, rank=4),
        ListColumn[Module](
            "services", "ALSO SERVES", 14, lambda m: m.others or m.path, rank=2, grow=1
        ),
    )
    return Listing(columns, lambda m: (m.kind, m.name))


def _number(
    name: str, title: str, width: int, read: Callable[[Module], int], rank: int
) -> ListColumn[Module]:
    return ListColumn(
        name,
        title,
        width,
        lambda m: fmt.count(read(m)) if read(m) >= 0 else "-",
        lambda m: -read(m),
        right=True,
        rank=rank,
    )


def _rate(rate: float | None) -> str:
    return "-" if rate is None else fmt.rate(rate)


def _seconds(seconds: int) -> str:
    return f"{seconds}s" if 0 <= seconds < 60 else fmt.age(seconds)
