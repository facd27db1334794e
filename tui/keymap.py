"""Keys that the user gives to actions: which actions there are, and whether two of them would have
the same key.
"""

from __future__ import annotations

import importlib
import pkgutil
import unicodedata
from typing import TYPE_CHECKING, Final

from textual.binding import Binding
from textual.keys import Keys

from flux.job.query.fields import nearest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from textual.app import App
    from textual.dom import DOMNode

    from tui.model.settings import OwnCommand

    Keyed = dict[str, tuple[Binding, set[str]]]
    """The bindings of one kind of node by their ids, each with its keys."""

_MODIFIERS: Final = frozenset({"ctrl", "shift", "alt", "meta", "super", "hyper"})
_NAMED: Final = frozenset(key.value for key in Keys)


def normal_key(text: str) -> str:
    """Return a key as Textual names it, such as ``question_mark`` for ``?``.

    Raises ValueError if there is no such key.
    """
    if text == ",":
        return "comma"
    key = next(iter(Binding.make_bindings([Binding(text, "", "")]))).key
    *modifiers, base = key.split("+") if key != "+" else [key]
    if not set(modifiers) <= _MODIFIERS or not _is_key(base):
        raise ValueError(f"no key {text}; keys are written x, X, f5, ctrl+x, space, question_mark")
    return key


def _is_key(base: str) -> bool:
    if len(base) == 1 or base in _NAMED:
        return True
    for name in (base, base.replace("_", "-")):
        try:
            return bool(unicodedata.lookup(name.replace("_", " ").upper()))
        except KeyError:
            continue
    return base in ("plus", "minus", "slash", "at", "underscore", "comma")


def classes() -> list[type[DOMNode]]:
    """Return every kind of screen and widget of ours."""
    from textual.dom import DOMNode

    for package in ("tui.screens", "tui.widgets"):
        for module in pkgutil.iter_modules(importlib.import_module(package).__path__):
            importlib.import_module(f"{package}.{module.name}")
    return [kind for kind in _below(DOMNode) if kind.__module__.startswith("tui.")]


def _below(kind: type[DOMNode]) -> Iterator[type[DOMNode]]:
    for lower in kind.__subclasses__():
        yield lower
        yield from _below(lower)


def bindings_of(kind: type[DOMNode]) -> Iterator[Binding]:
    """Return the bindings of a kind of node, those that it inherits as well."""
    for base in kind.__mro__:
        yield from Binding.make_bindings(vars(base).get("BINDINGS", ()))


def _keyed(kind: type[DOMNode]) -> Keyed:
    found: Keyed = {}
    for binding in bindings_of(kind):
        name = binding.id or f"{binding.action} of {kind.__name__}"
        found.setdefault(name, (binding, set()))[1].add(binding.key)
    return found


def actions(app: type[App[None]]) -> dict[str, Binding]:
    """Return every action that has an id, by it; the keys of the binding are all its keys."""
    found: dict[str, Binding] = {}
    for kind in (app, *classes()):
        for name, (binding, keys) in _keyed(kind).items():
            if binding.id:
                found.setdefault(name, binding.with_key(",".join(sorted(keys))))
    return found


def check_keys(
    keys: Mapping[str, tuple[str, ...]], commands: Mapping[str, OwnCommand], app: type[App[None]]
) -> tuple[dict[str, str], dict[str, str], list[str]]:
    """Return the keys that can be given to actions, those that own commands can have, and a
    sentence for each that cannot: there is no such action or key, or another action has it.
    """
    if not keys and not any(command.key for command in commands.values()):
        return {}, {}, []  # nothing is imported for those who change nothing
    problems: list[str] = []
    known = actions(app)
    wanted: dict[str, tuple[str, ...]] = {}
    for name, given in keys.items():
        if name not in known:
            near = nearest(name, known)
            hint = f"did you mean {near}?" if near else "--print-keys lists them"
            problems.append(f"keys.{name}: no such action; {hint}")
            continue
        try:
            wanted[name] = tuple(map(normal_key, given))
        except ValueError as error:
            problems.append(f"keys.{name}: {error}")
    while bad := _clashing(wanted, app, problems):
        for name in bad:  # its old keys are in use again, maybe by another's new ones
            del wanted[name]
    own = _own_keys(wanted, commands, app, problems)
    return {name: ",".join(given) for name, given in wanted.items()}, own, problems


def _scopes(app: type[App[None]], wanted: Mapping[str, tuple[str, ...]]) -> Iterator[Keyed]:
    """Return what can be pressed at a time, with the keys that are wanted: on each kind of screen
    its own actions, and those of the application.
    """
    for kind in (app, *classes()):
        found = _keyed(kind)
        if kind is not app and not found:
            continue
        scope = dict(found) if kind is app else {**_keyed(app), **found}
        yield {
            name: (binding, set(wanted.get(name, keys))) for name, (binding, keys) in scope.items()
        }


def _clashing(
    wanted: Mapping[str, tuple[str, ...]], app: type[App[None]], problems: list[str]
) -> set[str]:
    """Return the actions whose new keys others have, and say so."""
    defaults = {name: set(binding.key.split(",")) for name, binding in actions(app).items()}
    bad: set[str] = set()
    for scope in _scopes(app, wanted):
        for name in wanted.keys() & scope.keys():
            binding, keys = scope[name]
            for key in sorted(keys - defaults[name]):
                for other, (another, theirs) in scope.items():
                    same = other == name or another.action == binding.action
                    if not same and key in theirs and name not in bad:
                        bad.add(name)
                        problems.append(f"keys.{name}: {key} is the key of {other}")
    return bad


def _own_keys(
    wanted: Mapping[str, tuple[str, ...]],
    commands: Mapping[str, OwnCommand],
    app: type[App[None]],
    problems: list[str],
) -> dict[str, str]:
    """Return the keys of own commands: each must be free on every screen."""
    taken: dict[str, str] = {}
    for scope in _scopes(app, wanted):
        for name, (_, keys) in scope.items():
            taken.update(dict.fromkeys(keys, name))
    found: dict[str, str] = {}
    for name, command in commands.items():
        if not command.key:
            continue
        try:
            key = normal_key(command.key)
        except ValueError as error:
            problems.append(f"commands.{name}.key: {error}")
            continue
        if key in taken:
            problems.append(f"commands.{name}.key: {key} is the key of {taken[key]}")
        else:
            found[name] = key
            taken[key] = f"commands.{name}"
    return found
