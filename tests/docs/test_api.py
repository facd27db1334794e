"""docs/api.md: each name of flux-core's Python API is here, or stands there with the reason."""

from __future__ import annotations

import importlib
import sys

import pytest

from docs import api


def has(module: str, path: str) -> bool:
    """Whether a module has a name, which may be that of a member of a class."""
    importlib.import_module(module)
    found: object = sys.modules[module]
    for name in path.split("."):
        if not hasattr(found, name):
            return False
        found = getattr(found, name)
    return True


@pytest.mark.parametrize("module", sorted(api.modules()))
def test_each_name_is_here(module: str) -> None:
    assert [name for name in api.modules()[module].here if not has(module, name)] == []


@pytest.mark.parametrize("module", sorted(api.modules()))
def test_what_is_not_here_is_not(module: str) -> None:
    names = [name for absent in api.modules()[module].absent.values() for name in absent]
    try:
        importlib.import_module(module)
    except ModuleNotFoundError:
        return
    assert [name for name in names if has(module, name)] == []


def test_the_page_is_up_to_date() -> None:
    assert api.PAGE.read_text("utf-8") == api.page()
