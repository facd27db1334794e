"""``flux exec`` in the background: starting processes there, and attaching to them."""

from __future__ import annotations

import errno
import os
import sys
from typing import TYPE_CHECKING, Final

from flux.terminal_text import terminal_line
from flux.waitstatus import NOT_EXECUTABLE, NOT_FOUND, exit_code_of
from fluxctl.errors import CommandError
from fluxctl.json_output import print_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from flux.core.handle import Flux
    from flux.rpc import RPC

WAITABLE: Final = 16
OUTPUT: Final = 3


def named(text: str) -> dict[str, object]:
    """Return how a request names a process: by its id, or by its label (``pid`` -1)."""
    if text.isascii() and text.isdecimal():
        return {"pid": int(text), "label": ""}
    return {"pid": -1, "label": text}


def _complain(rank: int, what: str, error: OSError) -> int:
    """Say why it failed on a rank, and return the exit code of that."""
    text = terminal_line(error.strerror or str(error))
    sys.stderr.write(f"flux-exec: Error: rank {rank}: {what}: {text}\n")
    codes = {errno.ENOENT: NOT_FOUND, errno.EACCES: NOT_EXECUTABLE, errno.EPERM: NOT_EXECUTABLE}
    return codes.get(error.errno or 0, 1)


def start(
    h: Flux,
    argv: Sequence[str],
    ranks: Iterable[int],
    cwd: str,
    *,
    service: str,
    label: str | None,
    waitable: bool,
    quiet: bool,
    as_json: bool,
) -> int:
    """Have ``service`` start a command on every rank, print the id of each process, and return the
    exit code.
    """
    command = {
        "cwd": cwd,
        "cmdline": list(argv),
        "env": dict(os.environ),
        "opts": {},
        "channels": [],
        "msgchan": [],
    }
    if label:
        command["label"] = label
    payload = {"cmd": command, "flags": WAITABLE if waitable else 0, "local_flags": 0}
    code = 0
    for rank, rpc in [(rank, h.rpc(f"{service}.exec", payload, nodeid=rank)) for rank in ranks]:
        try:
            pid = rpc.get()["pid"]
        except OSError as error:
            _complain(rank, argv[0], error)
            code = 1
            continue
        if as_json:
            print_json({"rank": rank, "pid": pid, "label": label})
        elif not quiet:
            print(f"{rank}: {pid}")
    return code


class Attached:
    """Background processes, one on each rank, whose output is shown until they end."""

    def __init__(
        self, h: Flux, target: str, ranks: Sequence[int], *, service: str, label_io: bool
    ) -> None:
        from flux.constants import FLUX_RPC_STREAMING

        self._handle = h
        self._target = target
        self._label_io = label_io
        self._left = len(ranks)
        self.code = 0
        for rank in ranks:
            payload = {**named(target), "flags": OUTPUT}
            rpc = h.rpc(f"{service}.attach", payload, rank, FLUX_RPC_STREAMING)
            rpc.then(self._answered, rank)

    def run(self) -> int:
        """Show what they write until all have ended, and return the greatest exit code."""
        self._handle.reactor_run()
        return self.code

    def _answered(self, rpc: RPC, rank: int) -> None:
        from flux.job.io import decode, labelled

        try:
            answer = rpc.get()
            if answer is None:
                self._done()
                return
            if answer.get("type") == "finished":
                self.code = max(self.code, exit_code_of(answer["status"]))
            elif answer.get("type") == "output":
                chunk = decode(answer["io"])
                stream = sys.stdout if chunk.stream == "stdout" else sys.stderr
                data = labelled(rank, chunk.data) if self._label_io else chunk.data
                stream.buffer.write(data)
                stream.buffer.flush()
        except OSError as error:
            if error.errno != errno.ENODATA:
                what = named(self._target)["label"]
                about = f"label {what}" if what else f"pid {self._target}"
                self.code = max(self.code, _complain(rank, about, error))
            self._done()
            return
        rpc.reset()

    def _done(self) -> None:
        self._left -= 1
        if not self._left:
            self._handle.reactor_stop()


def check(words: Sequence[str], *, bg: bool, waitable: bool, attach: bool) -> None:
    """Raise CommandError for options that do not go together."""
    if attach and (bg or waitable):
        raise CommandError("--attach cannot be used with --bg or --waitable", 1)
    if attach and not words:
        raise CommandError("--attach requires a pid or label argument", 1)
    if attach and len(words) > 1:
        raise CommandError("--attach takes a single pid or label argument", 1)
    if waitable and not bg:
        raise CommandError("--waitable can only be used with --bg", 1)
