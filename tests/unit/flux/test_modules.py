"""The table of built-in modules names classes that exist, under the names that users type."""

from __future__ import annotations

import importlib

import pytest

from broker.service import Service
from flux.modules import CONNECTOR, MODULES, find


@pytest.mark.parametrize("name", MODULES)
def test_the_class_of_a_module_is_where_the_table_says(name: str) -> None:
    module, _, class_name = MODULES[name].target.partition(":")
    service = getattr(importlib.import_module(module), class_name)
    assert issubclass(service, Service)
    assert service.name == name


def test_users_find_what_they_may_load_and_no_part_of_the_broker() -> None:
    assert find("kvs") == "broker.services.kvs.service"
    assert [name for name in ("content", "rexec", "shell-host", "nosuch") if find(name)] == []


def test_the_connector_is_found_too() -> None:
    source = find(CONNECTOR)
    assert source is not None
    assert importlib.import_module(source).__name__ == source
