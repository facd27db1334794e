"""``[bootstrap]``: the brokers of an instance and where they listen (flux-config-bootstrap(5))."""

import errno
import re
from collections.abc import Iterator
from typing import Annotated, Final

from msgspec import Struct

from broker.configuration.checks import (
    Setting,
    boolean,
    integer,
    read_table,
    refused,
    text,
)
from broker.configuration.document import dotted
from flux.hostlist import Hostlist

_TOKEN: Final = re.compile(r"%(.?)", re.DOTALL)
_ENDPOINT: Final = re.compile(r"(?:tcp://.+:[0-9*]+|ipc://.+)", re.DOTALL)
_HOST_KEYS: Final = {"host": None, "bind": None, "connect": None}


class BootstrapError(OSError):
    """The instance cannot come up as it is configured; each line of the text is a message."""


class Host(Struct, frozen=True):
    """One broker: the name of its host, and, if it has its own, what it binds to and what others
    connect to, with tokens.
    """

    name: str
    bind: str | None = None
    connect: str | None = None


def substitute(template: str, host: str, port: int | None) -> str:
    """Return an endpoint with the tokens ``%h`` and ``%p`` replaced; ``%%`` is a percent sign.

    Raises ValueError for another token, and for ``%p`` without a port.
    """

    def value(match: re.Match[str]) -> str:
        token = match[1]
        if token == "h":
            return host
        if token == "p":
            if port is None:
                raise ValueError("%p needs default_port")
            return str(port)
        if token == "%":
            return "%"
        raise ValueError(f"unknown token %{token}")

    return _TOKEN.sub(value, template)


def _problem(node: Setting, problem: str, hint: str = "") -> BootstrapError:
    place = node.document.place(node.path)
    lines = [f"Config file error {problem}: {place}: {dotted(node.path)}", hint]
    return BootstrapError(errno.EINVAL, "\n".join(filter(None, lines)))


def _hosts(node: Setting) -> tuple[Host, ...]:
    if not isinstance(node.value, list):
        raise _problem(node, "[bootstrap] hosts must be array type")
    hosts: dict[str, Host] = {}
    for element in node.elements():
        for host in _entry(element):
            if host.name in hosts:
                raise _problem(element, f"[bootstrap]: {host.name} is listed twice")
            hosts[host.name] = host
    return tuple(hosts.values())


def _entry(node: Setting) -> Iterator[Host]:
    """Yield the brokers of one entry of ``hosts``."""
    if not isinstance(node.value, dict) or "host" not in node.value:
        hint = "Hint: hosts entries must be table containing a host key"
        raise _problem(node, "[bootstrap]: missing host field", hint)
    values: dict[str, str] = {}
    for key, member in node.members():
        if key not in _HOST_KEYS:
            raise refused(member, _HOST_KEYS)
        values[key] = _template(member) if key != "host" else text(member)
    try:
        names = list(Hostlist(values["host"]))
    except ValueError:
        raise _problem(node.child("host", None), "[bootstrap]: invalid hostlist") from None
    for name in names:
        yield Host(name, values.get("bind"), values.get("connect"))


def _template(node: Setting) -> str:
    """Return an endpoint with tokens, in which nothing but the host and the port is open."""
    value = text(node)
    try:
        uri = substitute(value, "host", 1)
    except ValueError as exc:
        raise node.error(str(exc)) from None
    if not _ENDPOINT.fullmatch(uri):
        raise node.error("must be an endpoint such as tcp://HOST:PORT or ipc://PATH")
    return value


class BootstrapConfig(Struct, frozen=True):
    """The table as it was read; ``hosts`` are in the order of ranks."""

    curve_cert: Annotated[str | None, text] = None
    default_bind: Annotated[str | None, _template] = None
    default_connect: Annotated[str | None, _template] = None
    default_port: Annotated[int | None, integer(1, 65535)] = None
    enable_ipv6: Annotated[bool, boolean] = False
    hosts: Annotated[tuple[Host, ...], _hosts] = ()

    @property
    def hostlist(self) -> str:
        """The hosts in the form of RFC 29."""
        return Hostlist([host.name for host in self.hosts]).encode()

    def rank_of(self, name: str) -> int:
        """Return the rank of the broker on the host ``name``; raises BootstrapError if it has
        none.
        """
        for rank, host in enumerate(self.hosts):
            if host.name == name:
                return rank
        raise BootstrapError(
            errno.EINVAL, f"Config file error [bootstrap]: {name} not found in hosts"
        )

    def bind(self, rank: int) -> str:
        """Return the endpoint that the broker ``rank`` binds to; raises BootstrapError if the
        configuration gives none.
        """
        host = self.hosts[rank]
        return self._endpoint("bind", host.bind or self.default_bind, host.name)

    def connect(self, rank: int) -> str:
        """Return the endpoint by which others reach the broker ``rank``; raises BootstrapError if
        the configuration gives none.
        """
        host = self.hosts[rank]
        return self._endpoint("connect", host.connect or self.default_connect, host.name)

    def _endpoint(self, key: str, template: str | None, name: str) -> str:
        problem = ""
        uri = ""
        if template is None:
            problem = f"{name} has brokers below it and needs {key} or default_{key}"
        else:
            try:
                uri = substitute(template, name, self.default_port)
            except ValueError as exc:
                problem = f"{key} of {name}: {template}: {exc}"
            if not problem and not _ENDPOINT.fullmatch(uri):
                problem = (
                    f"{key} of {name}: {uri} is no endpoint such as tcp://HOST:PORT or ipc://PATH"
                )
        if problem:
            raise BootstrapError(errno.EINVAL, f"Config file error [bootstrap]: {problem}")
        return uri


def bootstrap_table(node: Setting) -> BootstrapConfig:
    """Return the table; raises BootstrapError with what is wrong about it, and where."""
    try:
        return read_table(node, BootstrapConfig)
    except BootstrapError:
        raise
    except OSError as exc:
        raise BootstrapError(errno.EINVAL, exc.strerror) from None
