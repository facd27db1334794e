"""What is known of one node, and the jobs on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from tui.model import format as fmt
from tui.model.jobid import f58
from tui.model.users import user_name
from tui.widgets import palette
from tui.widgets.core_map import STATE_COLOUR
from tui.widgets.painted import Painted
from tui.widgets.palette import job_colour

if TYPE_CHECKING:
    from collections.abc import Callable

    from tui.model.dashboard import Dashboard
    from tui.model.nodes import Children, NodeRow, Occupants
    from tui.widgets.palette import Glyphs


class NodePane(Painted):
    """The node under the cursor: state, reason, and its jobs in the colours of the map."""

    def __init__(
        self,
        dashboard: Dashboard,
        glyphs: Glyphs,
        occupants: Occupants,
        node: Callable[[], NodeRow | None],
        id: str,
    ) -> None:
        super().__init__(dashboard, glyphs, id=id)
        self._occupants = occupants
        self._node = node

    def lines(self, width: int) -> list[Text]:
        """Return a line on the node and one for each of its jobs that has room."""
        node, height = self._node(), self.content_size.height
        if node is None:
            return [Text("")] * height
        lines = [self._about(node)]
        here = sorted(self._occupants.on.get(node.rank, {}).items())
        room = max(1, height - 1)
        shown = here if len(here) <= room else here[: room - 1]
        lines.extend(self._job(jobid, children) for jobid, children in shown)
        if len(here) > len(shown):
            more = fmt.count(len(here) - len(shown))
            lines.append(Text(f"   and {more} more: Enter shows them all", palette.DIM))
        elif not here:
            lines.append(Text("   no job is on it", palette.DIM))
        return lines + [Text("")] * (height - len(lines))

    def _about(self, node: NodeRow) -> Text:
        text = Text.assemble(
            (f" rank {node.rank}  ", f"bold {palette.BRIGHT}"),
            (f"{node.host}  ", palette.TEXT),
            (node.state_text, STATE_COLOUR.get(node.state, palette.GREEN)),
        )
        if node.since:
            now = self.dashboard.moment
            when = f"  since {fmt.clock(node.since, now)}, {fmt.age(now - node.since)}"
            text.append(when, palette.SOFT)
        if node.why:
            text.append(f"  {node.why}", palette.AMBER)
        cores = f"  {node.nused} of {node.ncores} cores"
        gpus = f", {node.used.gpus.bit_count()} of {node.ngpus} GPUs" if node.ngpus else ""
        return text.append(cores + gpus, palette.SOFT)

    def _job(self, jobid: int, children: Children) -> Text:
        table, dashboard = self.dashboard.table, self.dashboard
        row = table.row_of.get(jobid)
        identity = f58(jobid, self.glyphs is palette.ASCII)
        text = Text.assemble(
            (f" {self.glyphs.busy} ", job_colour(jobid)), (f"{identity:<14}", palette.TEXT)
        )
        ncores = children.cores.bit_count()
        cores = f"{ncores} core{'' if ncores == 1 else 's'}"
        if row is not None:
            ran = fmt.duration(table.runtime(row, dashboard.moment))
            user = user_name(table.userid[row])
            text.append(f"{user:<10}{cores:>10}{ran:>9}  ", palette.SOFT)
            text.append(fmt.printable(table.name[row]), palette.TEXT)
        return text
