"""Properties that are computed once; the debugger flag."""

from __future__ import annotations

from flux import debugged
from flux.memoized_property import memoized_property


class Loader:
    loads = 0

    @memoized_property
    def name(self) -> str:
        """The name."""
        self.loads += 1
        return "the name"


def test_getter_runs_once_per_object() -> None:
    first, second = Loader(), Loader()
    assert first.name == first.name == "the name"
    assert (first.loads, second.loads) == (1, 0)


def test_debugger_flag() -> None:
    assert debugged.get_mpir_being_debugged() == 0
    debugged.set_mpir_being_debugged(1)
    try:
        assert debugged.get_mpir_being_debugged() == 1
    finally:
        debugged.set_mpir_being_debugged(0)
