"""What a broker is started with, and the attributes it begins with."""

from __future__ import annotations

import errno
import math
import os
import time
from typing import TYPE_CHECKING, TypeVar

from msgspec import Struct, field

from broker.attribute_table import ATTRIBUTES, FACTS, Change
from broker.attributes import Attributes
from broker.places import check_directory, make_directory
from broker.quorum import Schedule
from broker.rundir_claim import hold, make_rundir
from broker.todays_attributes import check_todays, jobid_path, take_topology
from flux import CORE_VERSION, install
from flux.core.attributes import attribute_of
from flux.idset import IDset
from flux.modules import BACKING_STORE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from broker.topology import Topology
    from flux.wire.json import JsonObject

T = TypeVar("T")

QUORUM_ERROR = "Error parsing broker.quorum attribute"


class BrokerOptions(Struct):
    """The command line of flux-broker(1).

    ``attrs`` are the values of ``--setattr``; ``command`` is the initial program, empty for an
    interactive shell; ``verbose`` counts ``-v``; ``conf`` has the tables of ``--conf``.
    """

    attrs: dict[str, str] = field(default_factory=dict)
    command: list[str] = field(default_factory=list)
    verbose: int = 0
    conf: JsonObject = field(default_factory=dict)


class Rundir:
    """The broker's directory: taken from the attribute, or made with mode 0700 and removed at the
    end.

    ``cleanup`` says whether it is removed at the end, 0 or 1; None for one that was made.

    Raises OSError: EPERM for a directory that is another user's or that others may write, ENOTDIR
    for no directory, EINVAL for another ``cleanup``, or why it cannot be made.
    """

    def __init__(self, path: str | None, cleanup: str | None = None) -> None:
        if cleanup not in (None, "0", "1"):
            raise OSError(errno.EINVAL, f"rundir-cleanup: invalid value '{cleanup[:100]}'")
        self.created = False
        self._lock: int | None = None
        if path is None:
            path, self._lock = make_rundir()
            self.path = os.path.abspath(path)
            self.created = True
        else:
            self.path = os.path.abspath(path) if path else ""
            try:
                self.created = make_directory(self.path)
            except OSError as exc:
                raise OSError(exc.errno, f"rundir {path}: {exc.strerror}") from None
            self._lock = hold(self.path)
        check_directory(self.path, "rundir", path)
        self.created = self.created if cleanup is None else cleanup == "1"

    def remove(self) -> None:
        """Remove the directory if this broker made it, and only then."""
        if self.created:
            import shutil

            shutil.rmtree(self.path, ignore_errors=True)


def initial_attributes(options: BrokerOptions) -> Attributes:
    """Return the attributes of the command line; raises OSError for one that states a fact."""
    attrs = Attributes()
    for name, value in options.attrs.items():
        if name == "tbon.endpoint":
            text = f"setattr {name}: {os.strerror(errno.EEXIST)}\nflux-broker: bootstrap failed"
            raise OSError(errno.EEXIST, text)
        if name in FACTS:
            text = f"setattr {name}: it states a fact, it may not be set"
            raise OSError(errno.EINVAL, text)
        attrs.define(name, value)
    return attrs


def configuration_path(attrs: Attributes, environ: Mapping[str, str]) -> str | None:
    """Return where the configuration is: attribute ``config.path``, which FLUX_CONF_DIR sets if
    nothing else did; None for no configuration.
    """
    return attrs.default("config.path", environ.get("FLUX_CONF_DIR") or None)


def check_attributes(attrs: Attributes) -> int:
    """Check the values that the broker needs before it can log, and return the fan-out of the tree.

    Raises OSError: a value is malformed.
    """
    take_topology(attrs)
    check_todays(attrs)
    fanout = _checked(attrs, "tbon.fanout", "2", int)
    if fanout < 1:
        raise OSError(errno.EINVAL, "tbon.fanout must be at least 1")
    _checked(attrs, "overlay.timeout", "30", float)
    _checked(attrs, "tbon.prefertcp", "0", int)
    _checked(attrs, "tbon.zmqdebug", "0", int)
    _checked(attrs, "hello.timeout", "1", _not_negative)
    if attrs.get("hello.hwm") is not None:
        _checked(attrs, "hello.hwm", "0", lambda text: _not_negative(str(int(text))))
    Schedule.of(attrs)
    return fanout


def make_statedir(attrs: Attributes) -> None:
    """Make the directory ``statedir`` unless it is there; raises OSError as `Rundir` does."""
    path = attrs.get("statedir")
    if path is None:
        return
    try:
        make_directory(os.path.abspath(path) if path else "")
    except OSError as exc:
        raise OSError(exc.errno, f"statedir {path}: {exc.strerror}") from None
    check_directory(path, "statedir")


def check_quorum(attrs: Attributes, size: int) -> None:
    """Check ``broker.quorum`` for an instance of ``size`` brokers: one that can never be reached
    would have it wait for ever.

    Raises OSError(EINVAL) if it is not an idset, or has other ranks than those of the instance.
    """
    text = attrs.get("broker.quorum")
    if text is None:
        return
    try:
        ranks = IDset(text)
    except ValueError:
        raise OSError(errno.EINVAL, QUORUM_ERROR) from None
    if ranks and ranks.last() >= size:
        raise OSError(errno.EINVAL, f"{QUORUM_ERROR}: exceeds size")


def backing_store(attrs: Attributes) -> str:
    """Return the module that ``content.backing-module`` names; the content service takes the
    attribute over, to tell which one is in use.

    Raises OSError(EINVAL) if it names nothing that rc1 could load.
    """
    name = attrs.get("content.backing-module")
    if name is None:
        return BACKING_STORE
    if name not in ("content-sqlite", "content-files", "none") and not name.endswith(".py"):
        raise OSError(errno.EINVAL, f"content.backing-module: no such module: {name}")
    return name


def _checked(attrs: Attributes, name: str, default: str, kind: Callable[[str], T]) -> T:
    text = attrs.default(name, default) or default
    try:
        return kind(text)
    except ValueError:
        raise OSError(errno.EINVAL, f"{name}: invalid value '{text}'") from None


def _not_negative(text: str) -> float:
    """Return a number; raises ValueError if it is none, or below 0."""
    number = float(text)
    if not 0 <= number < math.inf:
        raise ValueError(text)
    return number


def define_identity(
    attrs: Attributes, topology: Topology, rundir: str, environ: Mapping[str, str]
) -> None:
    """Add what the place in the tree and the environment decided; wire-up adds the rest."""
    parent_uri = environ.get("FLUX_URI")
    level, parents = 0, None
    if parent_uri and "FLUX_JOB_ID" in environ:
        level, parents = _parent(parent_uri)
        level += 1
    fixed = {
        "rank": str(topology.rank),
        "size": str(topology.size),
        "rundir": rundir,
        "local-uri": attrs.get("local-uri") or f"local://{rundir}/local-{topology.rank}",
        "broker.mapping": None,
        "broker.pid": str(os.getpid()),
        "broker.starttime": f"{time.time():.2f}",
        "instance-level": str(level),
        "jobid": environ.get("FLUX_JOB_ID"),
        "jobid-path": jobid_path(environ, level, parents),
        "parent-uri": parent_uri,
        "parent-kvs-namespace": environ.get("FLUX_KVS_NAMESPACE"),
        "security.owner": str(os.getuid()),
        "tbon.fanout": str(topology.fanout),
        "tbon.topo": f"kary:{topology.fanout}",
        "tbon.descendants": str(topology.descendants),
        "tbon.level": str(topology.level),
        "tbon.maxlevel": str(topology.maxlevel),
        "tbon.parent-endpoint": None,
        "config.hostlist": None,
    }
    for name, value in fixed.items():
        attrs.define(name, value, immutable=value is not None)
    attrs.default("hello.hwm", str(topology.descendants + 1))
    attrs.define("version", CORE_VERSION)
    if fake := environ.get("FLUX_FAKE_HOSTNAME"):
        attrs.default("hostname", fake)
    _define_paths(attrs)
    attrs.default(
        "broker.quorum", f"0-{topology.size - 1}" if topology.size > 1 else "0", immutable=True
    )


def _parent(uri: str) -> tuple[int, str | None]:
    """Return the level of the enclosing instance and its ``jobid-path``, as far as it tells."""
    from flux.core.handle import Flux

    try:
        handle = Flux(uri)
        try:
            level = int(attribute_of(handle, "instance-level") or 0)
            return level, attribute_of(handle, "jobid-path")
        finally:
            handle.close()
    except OSError:
        return 0, None


def _define_paths(attrs: Attributes) -> None:
    for declared in ATTRIBUTES.values():
        early = declared.change in (Change.START, Change.LOAD)
        if declared.fixed and early and not declared.leader_only:
            attrs.default(declared.name, declared.default or None)
    attrs.default("broker.rc3_path", "built-in")
    attrs.define("conf.exec_path", install.COMMANDS)
    attrs.define("conf.module_path", install.MODULES)
    attrs.define("conf.connector_path", install.CONNECTORS)
    attrs.define("conf.pmi_library_path", install.PMI_LIBRARY)
    for name in ("conf.shell_initrc", "conf.shell_pluginpath"):
        attrs.default(name, ATTRIBUTES[name].default)
