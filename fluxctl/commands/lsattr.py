"""``flux lsattr``: list broker attributes (flux-lsattr(1))."""

from __future__ import annotations

import click

from fluxctl.command import FluxCommand, echo, handle


@click.command(cls=FluxCommand)
@click.option("-v", "--values", is_flag=True, help="List values with attributes.")
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print one JSON object, null for attributes without a value.",
)
def command(values: bool, as_json: bool) -> None:
    """List the broker's attributes in alphabetical order."""
    with handle() as h:
        names = sorted(h.rpc("attr.list").get()["names"])
        if not (values or as_json):
            echo("\n".join(names))
            return
        requests = [(name, h.rpc("attr.get", {"name": name})) for name in names]
        found: dict[str, str | None] = {}
        for name, rpc in requests:
            try:
                found[name] = rpc.get()["value"]
            except OSError:
                found[name] = None
    if as_json:
        from flux.wire import json

        echo(json.dumps_str(found))
        return
    for name, value in found.items():
        echo(f"{name:<39} {'-' if value is None else value}")


EXAMPLES = """
# List all attributes of the broker with their values
flux lsattr --values
# Hand them to a program
flux lsattr --json | python3 -c 'import json, sys; print(json.load(sys.stdin)["size"])'
"""
