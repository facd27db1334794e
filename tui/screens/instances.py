"""The tree of instances: what runs in which, and into any of them with Enter."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType

from tui.feed.instances import look_around
from tui.model import format as fmt
from tui.model.instances import (
    ASCII_BRANCHES,
    BRANCHES,
    DEEPEST,
    InnerLine,
    instance_listing,
    tree,
)
from tui.screens.listing import ListingScreen, Part
from tui.widgets import palette
from tui.widgets.listing import Painter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tui.model.dashboard import Dashboard
    from tui.model.listing import Listing


class InstancePainter(Painter[InnerLine]):
    """Instances in the tree."""

    COLOUR: ClassVar = {
        "running": palette.STATUS_COLOUR[3],
        "pending": palette.STATUS_COLOUR[2],
        "failed": palette.RED,
        "info": palette.AMBER,
    }

    def __init__(self, dashboard: Dashboard) -> None:
        self.dashboard = dashboard

    def quiet(self, row: InnerLine) -> bool:
        """What an instance had that was not heard of for a while is dim."""
        return self.dashboard.stale

    def colour(self, row: InnerLine, column: str) -> str:
        """Return the colour of a cell's text; a count of none is dim."""
        counts = row.look.counts
        if column in self.COLOUR:
            none = counts is None or not getattr(counts, column, 1)
            return palette.DIM if none and column != "info" else self.COLOUR[column]
        return palette.SOFT if column in ("user", "nodes", "time", "over") else palette.TEXT

    def pieces(self, row: InnerLine, column: str, width: int) -> Sequence[Part] | None:
        """Draw the branches fainter than what grows on them."""
        if column != "instance":
            return None
        return [(row.branch, palette.LINE), (row.title, palette.ACCENT)]


class InstancesScreen(ListingScreen[InnerLine]):
    """This instance and those inside it."""

    title_text = "Instances"
    noun = "instance"
    sortable = False
    period = 5.0

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "back", "Back", tooltip="Back", id="instances.back"),
        Binding(
            "enter,i",
            "open",
            "Enter",
            tooltip="Go into the instance under the cursor",
            key_display="\u23ce",
            id="instances.open",
        ),
        Binding(
            "t",
            "open_tab",
            "Tab",
            tooltip="Open the instance in a tab of its own",
            id="instances.tab",
        ),
        *ListingScreen.LIST_BINDINGS,
    ]

    def make_listing(self) -> Listing[InnerLine]:
        """Return the empty list."""
        return instance_listing(lambda: self.dashboard.moment)

    def make_painter(self) -> InstancePainter:
        """Return how instances look."""
        return InstancePainter(self.dashboard)

    async def read(self) -> None:
        """Look around."""
        plain = self.glyphs is palette.ASCII
        looks = await look_around(self.feed)
        self.listing.replace(tree(self.session.name, looks, ASCII_BRANCHES if plain else BRANCHES))

    def figures(self) -> Sequence[Part]:
        """Return how many there are."""
        rows = self.listing.shown
        deepest = max((len(row.path) for row in rows), default=0)
        parts = [
            (fmt.count(max(0, self.listing.total - 1)), palette.BRIGHT),
            (" inside", palette.DIM),
        ]
        if deepest > 1:
            parts += [("  ", ""), (str(deepest), palette.BRIGHT), (" levels", palette.DIM)]
        if deepest > DEEPEST:
            parts.append(("  deeper ones are not looked into", palette.AMBER))
        return parts

    def name_of(self, row: InnerLine) -> str:
        """Return its URI."""
        return row.job.uri if row.job else self.dashboard.instance.uri

    def opened(self, row: InnerLine) -> None:
        """Go into it; Escape comes back here."""
        if row.job is None:
            self.top.show_view("jobs")
        else:
            self.top.enter_instance(row.job.uri, row.title)

    def action_open_tab(self) -> None:
        """Open it beside this one."""
        row = self.view.row
        if row is not None and row.job is not None:
            self.top.open_instance(row.job.uri, row.title)
