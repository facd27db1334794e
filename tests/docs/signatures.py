"""How the names of docs/api/ are called: their parameters, as ``test_signatures.py`` keeps them.

``python -m tests.docs.signatures`` prints those of today in the form of data/signatures.toml.
"""

from __future__ import annotations

import importlib
import inspect
import json
import sys
from inspect import Parameter

from docs import api

SIGNS: dict[object, str] = {Parameter.VAR_POSITIONAL: "*", Parameter.VAR_KEYWORD: "**"}
ENDS: dict[object, str] = {Parameter.KEYWORD_ONLY: " only", Parameter.POSITIONAL_ONLY: " place"}
SHOWN = (str, int, float, bool, type(None), tuple)
"""Defaults that are promised; any other only has to be there."""


def found(module: str, path: str) -> object:
    """Return what a name of a module stands for, which may be that of a member of a class."""
    importlib.import_module(module)
    value: object = sys.modules[module]
    for name in path.split("."):
        value = inspect.getattr_static(value, name) if inspect.isclass(value) else _get(value, name)
    return value


def _get(value: object, name: str) -> object:
    return getattr(value, name)


def parameters(value: object) -> list[str] | None:
    """Return the parameters as they are written, None for what is not called."""
    if isinstance(value, staticmethod | classmethod):
        value = value.__func__
    if not callable(value):
        return None
    try:
        those = inspect.signature(value).parameters.values()
    except (TypeError, ValueError):
        return None
    return [_written(one) for one in those if one.name not in ("self", "cls")]


def _written(one: Parameter) -> str:
    sign, only = SIGNS.get(one.kind, ""), ENDS.get(one.kind, "")
    if one.default is Parameter.empty:
        return f"{sign}{one.name}{only}"
    default = repr(one.default) if type(one.default) in SHOWN else "..."
    return f"{one.name}={default}{only}"


def today() -> dict[str, dict[str, list[str]]]:
    """Return the parameters of everything that is called, by module and name."""
    table: dict[str, dict[str, list[str]]] = {}
    for module, names in sorted(api.modules().items()):
        for name in sorted(names.here):
            those = parameters(found(module, name))
            if those is not None:
                table.setdefault(module, {})[name] = those
    return table


def main() -> None:
    """Print the table."""
    print("# The parameters of what docs/api/ lists: `python -m tests.docs.signatures`.")
    for module, names in today().items():
        print(f'\n["{module}"]')
        for name, those in names.items():
            print(f"{json.dumps(name)} = {json.dumps(those)}")


if __name__ == "__main__":
    main()
