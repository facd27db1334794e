"""The modules of one broker: what they are, how many messages they have, their statistics; ping,
debug flags, reload and remove.
"""

from __future__ import annotations

import asyncio
import errno
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Final

from rich.text import Text
from textual.binding import Binding, BindingType

from tui.feed import modules as requests
from tui.model import format as fmt
from tui.model.intent import Intent, many
from tui.model.modules import MODULE, PLUGIN, Module, Pings, fact_lines, facts, module_listing
from tui.model.rates import Rates
from tui.screens.asking import each
from tui.screens.listing import ListingScreen, Part
from tui.widgets import palette
from tui.widgets.bars import sparkline
from tui.widgets.listing import Painter
from tui.widgets.painted import Painted
from tui.widgets.steady_log import SteadyLog

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

    from textual.widget import Widget

    from tui.model.dashboard import Dashboard
    from tui.model.listing import Listing
    from tui.widgets.palette import Glyphs

PING_SECONDS: Final = 1.0
KEPT: Final = 600
"""Round trips that are kept."""
STATE_COLOUR: Final = {"running": palette.GREEN, "exited": palette.RED, "init": palette.AMBER}


class ModulePainter(Painter[Module]):
    """Modules in the list."""

    def __init__(self, dashboard: Dashboard) -> None:
        self.dashboard = dashboard

    def quiet(self, row: Module) -> bool:
        """What was read before the connection was lost is dim."""
        return self.dashboard.stale

    def colour(self, row: Module, column: str) -> str:
        """Return the colour of a cell's text."""
        if column == "state":
            return STATE_COLOUR.get(row.state, palette.DIM)
        if column == "name":
            return palette.SOFT if row.kind == PLUGIN else palette.BRIGHT
        if column in ("sends", "receives"):
            rate = row.send_rate if column == "sends" else row.receive_rate
            return palette.ACCENT if rate else palette.DIM
        return palette.DIM if column == "services" else palette.SOFT


class PingLine(Painted):
    """The round trips to a module while it is pinged."""

    def __init__(
        self, dashboard: Dashboard, glyphs: Glyphs, pings: Callable[[], Pings | None]
    ) -> None:
        super().__init__(dashboard, glyphs, id="pings")
        self._pings = pings

    def lines(self, width: int) -> list[Text]:
        """Return the figures, and the latest of them drawn where there is room."""
        pings = self._pings()
        if pings is None:
            return [Text("")]
        colour = palette.RED if pings.error else palette.TEXT
        line = Text.assemble((f" {pings.text()}  ", colour))
        room = min(60, width - line.cell_len - 1)
        if room >= 8 and pings.times:
            line.append_text(sparkline(pings.times[-room:], palette.ACCENT, self.glyphs)[0])
        return [line]

    def update(self) -> None:
        """Show only while something is pinged."""
        self.display = self._pings() is not None
        if self.display:
            super().update()


class ModulesScreen(ListingScreen[Module]):
    """The modules of a rank, by default of the broker that the dashboard is connected to."""

    title_text = "Modules"
    noun = "module"

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "back", "Back", tooltip="Back", id="modules.back"),
        Binding("p", "ping", "Ping", tooltip="Ping this module, or stop", id="modules.ping"),
        Binding("right,l", "rank(1)", "Rank+", tooltip="The next rank", id="modules.next"),
        Binding("left,h", "rank(-1)", "Rank-", tooltip="The rank before", id="modules.previous"),
        Binding("N", "go_rank", "Go to a rank", show=False, id="modules.rank"),
        *ListingScreen.MARK_BINDINGS,
        Binding(
            "R", "reload_module", "Reload", tooltip="Unload and load it again", id="modules.reload"
        ),
        Binding("X", "remove_module", "Remove", tooltip="Unload it", id="modules.remove"),
        Binding("D", "module_debug", "Debug", tooltip="Debug flags", id="modules.debug"),
        Binding("J", "scroll(3)", "Scroll the statistics down", show=False, id="modules.down"),
        Binding("K", "scroll(-3)", "Scroll the statistics up", show=False, id="modules.up"),
        *ListingScreen.LIST_BINDINGS,
    ]

    def __init__(self) -> None:
        super().__init__()
        self.rates = Rates()
        self.rank = 0
        self.pings: Pings | None = None
        self._usage: dict[str, float] = {}
        self._facts: dict[str, str] = {}
        self._facts_of = ""

    def make_listing(self) -> Listing[Module]:
        """Return the empty list."""
        return module_listing()

    def make_painter(self) -> ModulePainter:
        """Return what says how modules look."""
        return ModulePainter(self.dashboard)

    def body(self) -> Iterable[Widget]:
        """Return the list, the round trips, and the statistics of the module under the cursor."""
        colours = {"fact": palette.SOFT, "changed": palette.AMBER}
        yield from self.split(SteadyLog("Statistics", self.glyphs, colours, id="statistics"))
        yield PingLine(self.dashboard, self.glyphs, lambda: self.pings)

    @property
    def pane(self) -> SteadyLog:
        """The statistics."""
        return self.query_one("#statistics", SteadyLog)

    # Reading

    async def read(self) -> None:
        """Read the modules of the rank, and the statistics of the one under the cursor."""
        rank = self.rank
        found = await requests.read_modules(self.feed, rank, self.rates, self.dashboard.clock())
        used = await requests.usage(self.feed, rank)
        if rank == self.rank:
            self._usage = used
            self.listing.replace(found)
            self.view.update()
            await self._read_statistics()

    async def _read_statistics(self) -> None:
        module = self.view.row
        if module is None or module.kind != MODULE:
            self._show_facts("" if module is None else module.name, {})
            return
        rank = self.rank
        told = await requests.stats_or_none(self.feed, module.name, rank)
        if self.view.row is not None and self.view.row.name == module.name and rank == self.rank:
            self._show_facts(module.name, facts(told))

    def _show_facts(self, name: str, found: dict[str, str]) -> None:
        before = self._facts if name == self._facts_of else {}
        self._facts, self._facts_of = found, name
        self.pane.title = f"Statistics of {name}" if name else "Statistics"
        self.pane.set_source("", "it gives no statistics", live=False)
        self.pane.show(fact_lines(found, before))

    def figures(self) -> Sequence[Part]:
        """Return rank, number and what the broker has used."""
        parts: list[Part] = [
            (f"rank {self.rank} of {max(1, self.dashboard.instance.size)}  ", palette.ACCENT),
            (f"{sum(m.kind == MODULE for m in self.listing.rows())} loaded  ", palette.TEXT),
        ]
        if self._usage:
            memory = self._usage.get("maxrss", 0) / 1024
            cpu = self._usage.get("utime", 0.0) + self._usage.get("stime", 0.0)
            text = f"the broker: {memory:,.0f} MiB at most, {fmt.duration(cpu)} of processor time"
            parts.append((text, palette.SOFT))
        return parts

    def live_update(self) -> None:
        """Repaint what changed."""
        super().live_update()
        self.query_one(PingLine).update()

    def moved(self) -> None:
        """Read the statistics of the module that the cursor is on now."""
        if self.known and self.composed:
            self.start(self._moved, "moved", exclusive=True)

    async def _moved(self) -> None:
        try:
            await self._read_statistics()
        except OSError as error:
            self.pane.set_source("", str(error.strerror or error), live=False)

    # Ranks

    def action_rank(self, step: int) -> None:
        """Go to the next or previous rank."""
        self._go_rank((self.rank + step) % max(1, self.dashboard.instance.size))

    def action_go_rank(self) -> None:
        """Ask for a rank and go there."""

        async def work(text: str) -> str:
            rank, size = int(text) if text.strip().isdecimal() else -1, self.dashboard.instance.size
            if not 0 <= rank < size:
                raise OSError(errno.EINVAL, f"there are ranks 0 to {size - 1}")
            self._go_rank(rank)
            return f"rank {rank}"

        self.ask(Intent("Go to", "rank", ("",), "Rank", str(self.rank)), work)

    def _go_rank(self, rank: int) -> None:
        if rank != self.rank:
            self.rank, self.known, self.pings = rank, False, None
            self.rates = Rates()
            self.listing.replace([])
            self._show_facts("", {})
            self.live_update()
            self.action_again()

    # Ping

    def action_ping(self) -> None:
        """Ping the module under the cursor each second, or stop that."""
        module = self.view.row
        if self.pings is not None:
            self.pings = None
            self.workers.cancel_group(self, "ping")
            self.live_update()
        elif module is None or module.kind != MODULE:
            self.warn("only modules can be pinged")
        else:
            self.pings = Pings(module.name, [])
            self.live_update()
            work = partial(self._keep_pinging, self.pings, self.rank)
            self.start(work, "ping", exclusive=True)

    async def _keep_pinging(self, pings: Pings, rank: int) -> None:
        number = 0
        while self.pings is pings:
            try:
                pings.times.append(await requests.ping(self.feed, pings.service, rank, number))
                del pings.times[:-KEPT]
                pings.error = ""
            except OSError as error:
                pings.lost += 1
                pings.error = fmt.printable(str(error.strerror or error))
            number += 1
            self.dashboard.revision += 1
            await asyncio.sleep(PING_SECONDS)

    # Acting

    def action_scroll(self, lines: int) -> None:
        """Scroll the statistics."""
        self.pane.move_by(lines)

    def _act(
        self, verb: str, done: str, chosen: list[Module], act: Callable[[Module], Awaitable[None]]
    ) -> None:
        kinds = {module.kind for module in chosen}
        noun = kinds.pop() if len(kinds) == 1 else "module"
        served = [module.others for module in chosen if module.others]
        notes = [f"rank {self.rank}; requests to it fail meanwhile, and jobs may with them"]
        notes += [f"also serves {', '.join(served)}"] if served else []
        intent = Intent(verb, noun, tuple(m.name for m in chosen), notes=tuple(notes))

        async def work(_: str) -> str:
            await each(chosen, act, lambda module: module.name)
            return f"{done}: {many(len(chosen), noun)}"

        self.ask(intent, work)

    def action_reload_module(self) -> None:
        """Unload modules and load them again, after asking."""
        chosen, rank = [module for module in self.targets() if module.kind == MODULE], self.rank
        if not chosen:
            self.warn("only modules can be loaded again")
            return
        self._act("Reload", "reloaded", chosen, lambda m: requests.reload(self.feed, m, rank))

    def action_remove_module(self) -> None:
        """Unload modules or plugins, after asking."""
        rank = self.rank
        self._act(
            "Remove", "removed", self.targets(), lambda m: requests.remove(self.feed, m, rank)
        )

    def action_module_debug(self) -> None:
        """Read the debug flags of a module, and ask what to set them to."""
        module = self.view.row
        if module is None or module.kind != MODULE:
            self.warn("only modules have debug flags")
            return
        work = partial(self._debug, module.name, self.rank)
        self.start(work, "actions")

    async def _debug(self, name: str, rank: int) -> None:
        try:
            flags = await requests.debug_flags(self.feed, name, rank)
        except OSError as error:
            self.warn(f"{name}: {error.strerror or error}")
            return

        async def work(text: str) -> str:
            try:
                wanted = int(text, 0)
            except ValueError:
                raise OSError(errno.EINVAL, f"{text} is not a number, such as 0x10 or 16") from None
            await requests.set_debug_flags(self.feed, name, rank, wanted)
            return f"debug flags of {name}: {wanted:#x}"

        prompt = "Flags, a number such as 0x10"
        self.ask(Intent("Set debug flags of", "module", (name,), prompt, f"{flags:#x}"), work)
