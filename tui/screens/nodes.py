"""The nodes: a list, a map of all cores, and the tree of brokers; draining them and giving them
back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical

from flux.idset import IDset
from tui.feed.nodes import drain, read_nodes, read_tree, undrain
from tui.model import format as fmt
from tui.model.intent import Intent, many
from tui.model.nodes import NodeRow, Occupants, node_listing, totals
from tui.model.overlay import broker_listing
from tui.screens.listing import ListingScreen, Part
from tui.screens.narrowing import show_jobs
from tui.widgets import palette
from tui.widgets.bars import gauge
from tui.widgets.core_map import STATE_COLOUR, CoreMap
from tui.widgets.listing import ListingHeading, ListingView, Painter, Piece
from tui.widgets.node_pane import NodePane

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from textual.widget import Widget

    from tui.model.dashboard import Dashboard
    from tui.model.listing import Listing
    from tui.model.overlay import TreeBroker
    from tui.widgets.palette import Glyphs

LIST: Final = "list"
MAP: Final = "map"
TREE: Final = "tree"
HEALTH_COLOUR: Final = {
    "full": palette.GREEN,
    "partial": palette.AMBER,
    "degraded": palette.AMBER,
    "lost": palette.RED,
    "offline": palette.RED,
}


class NodePainter(Painter[NodeRow]):
    """Nodes in the list."""

    def __init__(self, dashboard: Dashboard, glyphs: Glyphs) -> None:
        self.dashboard = dashboard
        self.glyphs = glyphs

    def quiet(self, row: NodeRow) -> bool:
        """Nodes of an instance that was not heard of for a while are dim."""
        return self.dashboard.stale

    def colour(self, row: NodeRow, column: str) -> str:
        """Return the colour of a cell's text."""
        if column in ("state", "why"):
            return STATE_COLOUR.get(row.state, palette.GREEN if column == "state" else palette.DIM)
        return palette.TEXT if column in ("rank", "host") else palette.SOFT

    def pieces(self, row: NodeRow, column: str, width: int) -> Sequence[Piece] | None:
        """Draw how much of a node is in use, and since when it is drained."""
        if column == "since":
            now = self.dashboard.moment
            text = fmt.clock(row.since, now) if row.since else ""
            return [(text, palette.SOFT)]
        if column == "state":
            return [(f"{self.glyphs.dot} {row.state_text}", self.colour(row, column))]
        if column != "cores":
            return None
        room = max(1, width - 9)
        colour = STATE_COLOUR.get(row.state, palette.STATUS_COLOUR[3])
        bar = gauge(row.nused / max(1, row.ncores), room, colour, self.glyphs).plain
        full = bar.rstrip(self.glyphs.rest)
        return [
            (full, colour),
            (bar[len(full) :], palette.LINE),
            (f" {f'{row.nused}/{row.ncores}':>8}", palette.SOFT),
        ]


class BrokerPainter(Painter["TreeBroker"]):
    """Brokers in the tree."""

    def colour(self, row: TreeBroker, column: str) -> str:
        """Return the colour of a cell's text."""
        if column == "status":
            return HEALTH_COLOUR.get(row.status, palette.DIM)
        return palette.TEXT if column == "broker" else palette.SOFT


class NodesScreen(ListingScreen[NodeRow]):
    """All nodes of the instance."""

    title_text = "Nodes"
    noun = "node"

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "back", "Back", tooltip="Back", id="nodes.back"),
        Binding(
            "enter",
            "open",
            "Jobs",
            tooltip="Show the jobs on the marked nodes or this one",
            key_display="\u23ce",
            id="nodes.open",
        ),
        Binding("m", "layout('map')", "Map", tooltip="Map of all cores, or list", id="nodes.map"),
        Binding("t", "layout('tree')", "Tree", tooltip="Tree of brokers, or list", id="nodes.tree"),
        *ListingScreen.MARK_BINDINGS,
        Binding(
            "d",
            "drain_nodes",
            "Drain",
            tooltip="Drain the marked nodes or this one, for a reason",
            id="nodes.drain",
        ),
        Binding(
            "D",
            "undrain_nodes",
            "Undrain",
            tooltip="Give the marked nodes or this one back",
            id="nodes.undrain",
        ),
        Binding("left,h", "across(-1)", "Left, in the map", show=False, id="nodes.left"),
        Binding("right,l", "across(1)", "Right, in the map", show=False, id="nodes.right"),
        *ListingScreen.LIST_BINDINGS,
    ]

    def __init__(self) -> None:
        super().__init__()
        self.occupants = Occupants()
        self.layout_name = LIST
        self.brokers: Listing[TreeBroker] | None = None

    def make_listing(self) -> Listing[NodeRow]:
        """Return the empty list."""
        return node_listing()

    def make_painter(self) -> NodePainter:
        """Return what says how nodes look."""
        return NodePainter(self.dashboard, self.glyphs)

    def body(self) -> Iterable[Widget]:
        """Return list, map and tree, and what is known of the node under the cursor."""
        self.brokers = broker_listing(self.glyphs is palette.ASCII, self._host)
        with Horizontal(id="listing-body"):
            with Vertical(id="listed"):
                yield from self.list_widgets()
            yield CoreMap(self.listing, self.occupants, self.glyphs, id="map")
            with Vertical(id="tree"):
                yield ListingHeading(self.brokers, self.glyphs, id="levels")
                yield ListingView(self.brokers, BrokerPainter(), self.glyphs, id="brokers")
        yield NodePane(self.dashboard, self.glyphs, self.occupants, lambda: self.view.row, "node")

    def _host(self, rank: int) -> str:
        at = self.listing.index_of(rank)
        return "" if at is None else self.listing.shown[at].host

    @property
    def core_map(self) -> CoreMap:
        """The map."""
        return self.query_one(CoreMap)

    # Reading

    async def read(self) -> None:
        """Read the nodes, and the tree while it is shown."""
        found = await read_nodes(self.feed, self.dashboard.table, self.occupants)
        self.listing.replace(found)
        if self.layout_name == TREE and self.brokers is not None:
            self.brokers.replace(await read_tree(self.feed))

    def figures(self) -> Sequence[Part]:
        """Return how many nodes are in which state, and cores in use."""
        found = self.listing.rows()
        parts: list[Part] = []
        for state, number in reversed(totals(found).items()):
            colour = STATE_COLOUR.get(state, palette.GREEN)
            parts.append((f"{self.glyphs.dot} {fmt.count(number)} {state} ", colour))
        cores, used = sum(n.ncores for n in found), sum(n.nused for n in found)
        parts.append((f" {fmt.count(used)}/{fmt.count(cores)} cores  ", palette.TEXT))
        gpus = sum(n.ngpus for n in found)
        if gpus:
            busy = sum(n.used.gpus.bit_count() for n in found)
            parts.append((f"{fmt.count(busy)}/{fmt.count(gpus)} GPUs", palette.TEXT))
        return parts

    def live_update(self) -> None:
        """Repaint what changed."""
        super().live_update()
        core_map = self.core_map
        core_map.empty = self.view.empty
        if core_map.display:
            core_map.at = self.view.cursor
            core_map.update()
        self.query_one(NodePane).update()
        if self.layout_name == TREE:
            tree = self.query_one("#brokers", ListingView)
            tree.empty = self.trouble or f"reading{self.glyphs.more}"
            tree.update()

    # Layouts and cursor

    def on_mount(self) -> None:
        """Begin with the list."""
        self._show_layout()

    def action_layout(self, name: str) -> None:
        """Show the map or the tree alone, or the list again."""
        self.layout_name = LIST if self.layout_name == name else name
        self._show_layout()
        self._again.set()
        self.call_after_refresh(self._settle)

    def _show_layout(self) -> None:
        for name in (LIST, MAP, TREE):
            self.set_class(self.layout_name == name, f"of-{name}")

    def _settle(self) -> None:
        self.live_update()
        shown = {LIST: "#rows", MAP: "#map", TREE: "#brokers"}
        self.query_one(shown[self.layout_name]).focus()
        self.core_map.go_to(self.view.cursor)
        if self.layout_name == LIST:
            self.view.move_to(self.view.cursor)

    def moved(self) -> None:
        """Have the map and the pane follow."""
        if self.composed:
            self.core_map.go_to(self.view.cursor)
            self.query_one(NodePane).update()

    def action_move(self, lines: int) -> None:
        """Move the cursor, in the map by lines of it."""
        if self.layout_name == TREE:
            self.query_one("#brokers", ListingView).move_by(lines)
        else:
            super().action_move(lines * (self.core_map.across if self.layout_name == MAP else 1))

    def action_page(self, pages: float) -> None:
        """Move the cursor by screenfuls."""
        if self.layout_name == MAP:
            self.view.move_by(int(pages * self.core_map.page))
        elif self.layout_name == TREE:
            tree = self.query_one("#brokers", ListingView)
            tree.move_by(int(pages * tree.page))
        else:
            super().action_page(pages)

    def action_go(self, line: int) -> None:
        """Go to the first or the last."""
        if self.layout_name == TREE and self.brokers is not None:
            last = len(self.brokers) - 1
            self.query_one("#brokers", ListingView).move_to(line if line >= 0 else last)
        else:
            super().action_go(line)

    def action_across(self, nodes: int) -> None:
        """Go to the node beside, in the map."""
        if self.layout_name == MAP:
            self.view.move_by(nodes)

    def on_core_map_picked(self, event: CoreMap.Picked) -> None:
        """A click puts the cursor there, a second one opens."""
        self.view.move_to(event.index)
        if event.twice:
            self.action_open()

    def action_open(self) -> None:
        """Open the node, in the tree that of the broker."""
        if self.layout_name == TREE:
            broker = self.query_one("#brokers", ListingView).row
            if broker is not None:
                show_jobs(self, f"ranks:{broker.rank}")
        else:
            super().action_open()

    def opened(self, row: NodeRow) -> None:
        """Show the jobs of the marked nodes, else of this one."""
        ranks = IDset([node.rank for node in self.listing.marked()] or [row.rank])
        show_jobs(self, f"ranks:{ranks.encode().strip('[]')}")

    def name_of(self, row: NodeRow) -> str:
        """Return the host, to copy."""
        return row.host or str(row.rank)

    # Acting

    def _label(self, node: NodeRow) -> str:
        return f"{node.rank} ({node.host})" if node.host else str(node.rank)

    def action_drain_nodes(self) -> None:
        """Take nodes out of scheduling, after asking why."""
        chosen = self.targets()
        known = {node.reason for node in chosen if node.drained}
        on = self.occupants.on
        busy = len({jobid for node in chosen for jobid in on.get(node.rank, ())})
        notes = [f"{many(busy, 'job')} will go on to the end"] if busy else []
        notes += ["some are drained already: they get the new reason"] if known else []
        names = tuple(map(self._label, chosen))
        given = known.pop() if len(known) == 1 else ""
        intent = Intent("Drain", "node", names, "Reason", given, notes=tuple(notes))

        async def act(reason: str) -> str:
            fresh = [node for node in chosen if not node.drained]
            again = [node for node in chosen if node.drained]
            if fresh:
                await drain(self.feed, fresh, reason)
            for node in again:
                await drain(self.feed, [node], reason)
            return f"drained: {many(len(chosen), 'node')}"

        self.ask(intent, act)

    def action_undrain_nodes(self) -> None:
        """Give drained nodes back, after asking."""
        chosen = [node for node in self.targets() if node.drained]
        if not chosen:
            self.warn("no drained node is chosen")
            return
        notes = tuple(f"{node.rank}: {node.reason}" for node in chosen[:3] if node.reason)

        async def act(_: str) -> str:
            await undrain(self.feed, chosen)
            return f"undrained: {many(len(chosen), 'node')}"

        self.ask(Intent("Undrain", "node", tuple(map(self._label, chosen)), notes=notes), act)
