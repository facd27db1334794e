"""``flux keygen``: make the certificate that the brokers of an instance share (flux-keygen(1))."""

from __future__ import annotations

import click

from fluxctl.command import FluxCommand
from fluxctl.errors import CommandError


@click.command(cls=FluxCommand)
@click.option(
    "-n", "--name", metavar="NAME", help="Call the certificate NAME, by default the host's name."
)
@click.option(
    "--meta",
    metavar="KEY=VALUE,...",
    multiple=True,
    help="Write these into the certificate too, or in place of what it has by that name.",
)
@click.argument("path", required=False)
@click.pass_context
def command(ctx: click.Context, name: str | None, meta: tuple[str, ...], path: str | None) -> None:
    """Write a new CURVE certificate to PATH, mode 0600, in place of what was there."""
    if path is None:
        from fluxctl.command import talk

        talk(ctx, "WARNING: add PATH argument to save generated certificate")
        return
    import os
    import socket
    import time

    from broker.overlay.certificate import write_certificate
    from broker.overlay.keys import KeyPair

    host = socket.gethostname()
    metadata = {
        "name": name or host,
        "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "userid": str(os.getuid()),
        "hostname": host,
        **_metadata(meta),
    }
    try:
        write_certificate(path, KeyPair.generate(), metadata)
    except OSError as exc:
        raise CommandError(f"{path}: {exc.strerror}") from None


def _metadata(options: tuple[str, ...]) -> dict[str, str]:
    """Return what ``--meta`` says by key: the first value that a key is given, empty without one.

    Raises CommandError for a key that cannot stand in a certificate.
    """
    from broker.overlay.certificate import is_key

    found: dict[str, str] = {}
    for item in filter(None, ",".join(options).split(",")):
        key, _, value = item.partition("=")
        if not is_key(key):
            raise CommandError(f"error setting certificate metadata {item}: Invalid argument")
        found.setdefault(key, value)
    return found


EXAMPLES = """
# Make the certificate that all brokers of a cluster share
flux keygen curve.cert
# Make one whose name tells where it is from
flux keygen --name=testbed testbed.cert
# Note in it whose it is
flux keygen --meta=site=north,contact=ops testbed.cert
"""
