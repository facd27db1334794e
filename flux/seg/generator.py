"""What a scheduler event generator is told once: where events begin, where they go, which module
they come from.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from flux.seg.errors import SegError, SegErrorType
from flux.seg.output import write_line
from flux.seg.protocol import TIME_MAX, check_number

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from flux.seg.event_driver import Driver
    from flux.seg.loader import LoadedModule
    from flux.seg.protocol import StateChange


class Generator:
    """A scheduler event generator. Everything can be set once: a second time raises
    SegError(ALREADY_SET).

    ``driver`` calls the callbacks of its module, ``options`` are what the module was told on the
    command line, ``record`` the changes of state that the reader has seen, without those of long
    ago.
    """

    def __init__(self) -> None:
        self._timestamp: int | None = None
        self._handler: Callable[[bytes], None] | None = None
        self._module: LoadedModule | None = None
        self._driver: Driver | None = None
        self.options: Mapping[str, str] = MappingProxyType({})
        self.record: Collection[StateChange] = ()

    @property
    def timestamp(self) -> int:
        """The time of the earliest event to send, in seconds since the epoch; 0 if it was not
        set.
        """
        return self._timestamp or 0

    @property
    def from_now(self) -> bool:
        """Whether no timestamp was set, so that only what happens from now on is to be sent."""
        return self._timestamp is None

    def set_timestamp(self, timestamp: int) -> None:
        """Set the time of the earliest event to send.

        Raises SegError(ALREADY_SET), TypeError or ValueError for a time that makes no sense.
        """
        check_number(timestamp, "the timestamp", 0, TIME_MAX)
        _check_once(self._timestamp, "the timestamp")
        self._timestamp = timestamp

    def set_event_handler(self, handler: Callable[[bytes], None]) -> None:
        """Set what is called with every line; raises SegError: NULL, ALREADY_SET."""
        if handler is None:
            raise SegError(SegErrorType.NULL, "the event handler")
        _check_once(self._handler, "the event handler")
        self._handler = handler

    def set_driver(self, driver: Driver) -> None:
        """Set what calls the callbacks of the module; raises SegError: NULL, ALREADY_SET."""
        if driver is None:
            raise SegError(SegErrorType.NULL, "the event driver")
        _check_once(self._driver, "the event driver")
        self._driver = driver

    def load_module(self, name: str) -> LoadedModule:
        """Load the module of a name or path.

        Raises SegError: NULL, ALREADY_SET, LOADING_MODULE, INVALID_MODULE.
        """
        from flux.seg.loader import load

        if name is None:
            raise SegError(SegErrorType.NULL, "the name of the module")
        _check_once(self._module, "the module")
        self._module = load(name)
        return self._module

    @property
    def driver(self) -> Driver:
        """What calls the callbacks; raises RuntimeError outside of ``flux seg``."""
        if self._driver is None:
            raise RuntimeError("no event driver runs here: modules are run by flux seg")
        return self._driver

    def send(self, line: bytes) -> None:
        """Send a line, or queue it; raises SegError(OUT_OF_MEMORY)."""
        (self._handler or write_line)(line)


def _check_once(value: object, what: str) -> None:
    if value is not None:
        raise SegError(SegErrorType.ALREADY_SET, what)
