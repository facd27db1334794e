"""No module imports another that imports it in turn, by whatever way and for whatever purpose.

Every import that the source names counts: those for types only (``if TYPE_CHECKING:``), which
nothing executes, and those inside functions, which avoid a circle only by coming late. Either kind
means that two files can be read and changed only together; the way out is a smaller interface in a
file of its own, as `flux.core.interface` is.

What does not count is that importing ``a.b`` runs ``a/__init__.py`` first: a package that offers
the names of its modules would be a circle with each of them. So those modules import one another,
never the package that offers them.
"""

from __future__ import annotations

from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING

import grimp
import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

PACKAGES = ("flux", "broker", "fluxctl", "tui")


def imports(*packages: str) -> dict[str, set[str]]:
    """Return what each module of ``packages`` imports of them."""
    graph = grimp.build_graph(*packages, exclude_type_checking_imports=False, cache_dir=None)
    return {
        module: set(graph.find_modules_directly_imported_by(module)) for module in graph.modules
    }


def circle(table: Mapping[str, set[str]]) -> list[str]:
    """Return modules of which each is imported by the next, the last being the first again; none
    if nothing imports in a circle.
    """
    try:
        TopologicalSorter(table).prepare()
    except CycleError as exc:
        modules: list[str] = exc.args[1]
        return modules
    return []


def test_no_modules_import_each_other() -> None:
    assert circle(imports(*PACKAGES)) == []


FOR_TYPES = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from circular_x import b\n"
LATE = "def f():\n    import circular_x.b\n"
OF_THE_PACKAGE = "from circular_x import Name\n"


@pytest.mark.parametrize(
    ("init", "a", "found"),
    [
        ("", FOR_TYPES, {"circular_x.a", "circular_x.b"}),
        ("", LATE, {"circular_x.a", "circular_x.b"}),
        ("from circular_x.a import Name\n", OF_THE_PACKAGE, {"circular_x", "circular_x.a"}),
        ("from circular_x.a import Name\n", "", set()),
    ],
)
def test_circles_are_seen(
    init: str, a: str, found: set[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "circular_x"
    package.mkdir()
    (package / "__init__.py").write_text(init)
    (package / "a.py").write_text(a)
    (package / "b.py").write_text("from circular_x.a import Name\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert set(circle(imports("circular_x"))) == found
