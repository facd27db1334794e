"""``flux lsattr``: list broker attributes (flux-lsattr(1))."""

from __future__ import annotations

from typing import TYPE_CHECKING, Unpack

import click

from fluxctl.command import FluxCommand, handle
from fluxctl.json_output import print_json
from fluxctl.list_output import ListTable

if TYPE_CHECKING:
    from fluxctl.list_output import ListChoice

_NAMES = ListTable({"name": "NAME", "value": "VALUE"}, "{name}", headed=False)
_VALUES = ListTable(_NAMES.headings, "{name:<39} {value}", headed=False)


@click.command(cls=FluxCommand)
@click.option("-v", "--values", is_flag=True, help="List values with attributes.")
@_NAMES.options("Print one JSON object, null for attributes without a value.")
def command(values: bool, **choice: Unpack[ListChoice]) -> None:
    """List the broker's attributes in alphabetical order."""
    table = _VALUES if values else _NAMES
    wanted = table.format_of(choice).fields
    with handle() as h:
        names = sorted(h.rpc("attr.list").get()["names"])
        found: dict[str, str | None] = dict.fromkeys(names)
        if choice["as_json"] or "value" in wanted:
            requests = [(name, h.rpc("attr.get", {"name": name})) for name in names]
            for name, rpc in requests:
                try:
                    found[name] = rpc.get()["value"]
                except OSError:
                    continue  # it has no value, or none for us
    if choice["as_json"]:
        print_json(found)
        return
    rows = ({"name": name, "value": "-" if one is None else one} for name, one in found.items())
    table.show(rows, choice)


EXAMPLES = """
# List all attributes of the broker with their values
flux lsattr --values
# Hand them to a program
flux lsattr --json | python3 -c 'import json, sys; print(json.load(sys.stdin)["size"])'
"""
