"""Writing a pane to a file, which may go on growing with it, and showing it in a pager or an
editor.
"""

from __future__ import annotations

import asyncio
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final

from textual.binding import Binding

from tui import written_file
from tui.background import in_background
from tui.model import format as fmt
from tui.outside import editor, pager, run_outside
from tui.processes import environment
from tui.screens.live import LiveScreen
from tui.screens.prompt import PromptScreen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from tui.model.logs import Line
    from tui.widgets.log_view import LogView


LINES_AT_ONCE: Final = 2000
"""Lines that are made ready for a file before others have their turn."""


@dataclass(slots=True)
class GrowingFile:
    """A file that gets every line a pane gets, of those that ``keep`` says: ``taken`` of all lines
    have been looked at, ``written`` are in it.
    """

    path: Path
    pane: LogView
    keep: Callable[[Line], bool] | None
    taken: int = 0
    written: int = 0
    busy: bool = False


class SavingScreen(LiveScreen):
    """Mixin for a screen with panes of lines."""

    SAVE_BINDINGS: ClassVar[list[Binding]] = [
        Binding(
            "w",
            "write",
            "Write",
            tooltip="Write this pane to a file, that grows with it; again to stop",
            show=False,
            id="lines.write",
        ),
        Binding("v", "view", "Show this pane in $PAGER", show=False, id="lines.pager"),
        Binding("V", "edit", "Show this pane in $EDITOR", show=False, id="lines.editor"),
    ]

    _files: dict[str, GrowingFile] | None = None

    @property
    def pane(self) -> LogView:
        """The pane that keys act on."""
        raise NotImplementedError

    def file_name(self, pane: LogView) -> str:
        """Return how a file with that pane is called, unless one says otherwise."""
        return f"flux.{pane.id or 'lines'}.txt"

    def grows(self, pane: LogView) -> bool:
        """Tell whether lines are only ever added at the end of a pane, and more may come."""
        return pane.live

    @property
    def growing(self) -> dict[str, GrowingFile]:
        """The files that grow, by the pane."""
        if self._files is None:
            self._files = {}
        return self._files

    def action_write(self) -> None:
        """Ask for a file and write the pane to it; a file that grows is left as it is."""
        pane = self.pane
        file = self.growing.pop(pane.id or "", None)
        if file is not None:
            self.app.notify(f"{_shown(file.path)} grows no more: {_lines(file.written)}", timeout=4)
            return
        what = f"Write {_lines(len(pane.content))}"
        if pane.kept:
            what += f" ({pane.kept})"
        note = (
            "it grows until the pane ends, you press w again or leave" if self.grows(pane) else ""
        )

        def answered(text: str | None) -> None:
            if text:
                path = written_file.place(text)
                in_background(self.app, self._save, path, pane)

        prompt = PromptScreen(
            f"{what} to which file?", note, self.file_name(pane), _no_file, _taken
        )
        self.app.push_screen(prompt, answered)

    async def _save(self, path: Path, pane: LogView) -> None:
        file = GrowingFile(path, pane, pane.lines.kept_by)
        file.taken = len(pane.lines.every)
        lines = list(pane.content)
        try:
            # Whoever answered has been told of a file that is there.
            await written_file.write(path, _pieces(pane, lines), over=path.exists())
        except OSError as error:
            self.app.notify(f"{_shown(path)}: {error.strerror}", severity="error")
            return
        file.written = len(lines)
        grows = " and grows with what comes: w stops it" if self.grows(pane) else ""
        if self.grows(pane):
            self.growing[pane.id or ""] = file
        self.app.notify(f"{_shown(path)} has {_lines(file.written)}{grows}", timeout=6)

    def grow_files(self) -> None:
        """Write what has come to the files that grow; called after each update of the panes."""
        for name, file in list(self.growing.items()):
            if file.busy:
                continue
            if len(file.pane.lines.every) < file.taken:
                file.taken = 0  # the pane has begun anew
            fresh = file.pane.lines.every[file.taken :]
            file.taken += len(fresh)
            kept = fresh if file.keep is None else list(filter(file.keep, fresh))
            if kept:
                file.busy = True
                in_background(self.app, self._grow, name, file, kept)
            elif not file.pane.live:
                del self.growing[name]
                self.app.notify(
                    f"{_shown(file.path)} is complete: {_lines(file.written)}", timeout=6
                )

    async def _grow(self, name: str, file: GrowingFile, lines: list[Line]) -> None:
        try:
            await asyncio.to_thread(_append, file.path, _pieces(file.pane, lines))
            file.written += len(lines)
        except OSError as error:
            self.growing.pop(name, None)
            self.app.notify(f"{_shown(file.path)}: {error.strerror}", severity="error")
        finally:
            file.busy = False

    def action_view(self) -> None:
        """Show the pane in the pager."""
        self._show_in(pager())

    def action_edit(self) -> None:
        """Show the pane in the editor."""
        self._show_in(editor())

    def _show_in(self, command: Sequence[str]) -> None:
        in_background(self.app, self._shown_in, command, self.pane)

    async def _shown_in(self, command: Sequence[str], pane: LogView) -> None:
        with tempfile.TemporaryDirectory(prefix="flux-top-") as directory:
            path = Path(directory) / Path(self.file_name(pane)).name
            try:
                await written_file.write(path, _pieces(pane, list(pane.content)), over=False)
                env = environment(self.dashboard.instance.uri)
                await run_outside(self.top, [*command, str(path)], env)
            except OSError as error:
                self.app.notify(str(error.strerror or error), severity="error")


def _no_file(text: str) -> str:
    """Return why a text cannot be the name of a file to write."""
    return written_file.refusal(written_file.place(text)) if text.strip() else "no file is named"


def _taken(text: str) -> str:
    """Return what speaks against a name for a file."""
    path = written_file.place(text)
    return f"File exists: {_shown(path)}" if path.exists() else ""


def _shown(path: Path) -> str:
    """Return a path as short as it can be from here."""
    try:
        return str(path.relative_to(Path.cwd()))
    except (ValueError, OSError):
        return str(path)


def _pieces(pane: LogView, lines: Sequence[Line]) -> Iterator[str]:
    """Return lines as they are shown, some thousands in a piece."""
    for first in range(0, len(lines), LINES_AT_ONCE):
        texts = pane.as_texts(lines[first : first + LINES_AT_ONCE])
        yield "".join(f"{text}\n" for text in texts)


def _append(path: Path, pieces: Iterable[str]) -> None:
    with path.open("a", encoding="utf-8", newline="", errors="backslashreplace") as file:
        file.writelines(pieces)


def _lines(number: int) -> str:
    return f"{fmt.count(number)} line{'' if number == 1 else 's'}"
