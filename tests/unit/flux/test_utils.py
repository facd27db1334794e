"""Modules of the standard library by flux-core's names."""

from __future__ import annotations

import dataclasses
import graphlib
import importlib
import tomllib
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from types import ModuleType


@pytest.mark.parametrize(
    ("name", "original"),
    [("dataclasses", dataclasses), ("tomli", tomllib), ("graphlib", graphlib)],
)
def test_the_names_are_those_of_the_standard_library(name: str, original: ModuleType) -> None:
    module = importlib.import_module(f"flux.utils.{name}")
    assert module.__all__
    for one in module.__all__:
        assert getattr(module, one) is getattr(original, one)
