"""Loads validator plugins and has them check jobs (flux.job.validator.validator in the manual)."""

from __future__ import annotations

import argparse
import concurrent.futures
import errno
import importlib
import importlib.util
import inspect
import json
import os
import pathlib
import pkgutil
import threading
from abc import ABC, abstractmethod
from types import ModuleType
from typing import TYPE_CHECKING, Any, ClassVar

from flux.constants import FLUX_JOB_URGENCY_DEFAULT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flux.core.handle import Flux
    from flux.wire.json import JsonMapping, JsonObject

PluginTable = dict[str, ModuleType]


class ValidatorJobInfo:
    """A job to be validated: the ``jobspec`` as it was submitted, decoded, the ``userid`` of the
    submitting user, ``flags`` and ``urgency`` of the submission; but for the jobspec, what is not
    given is that of a submission of one's own.
    """

    tls = threading.local()

    def __init__(self, jobinfo: JsonMapping | str | bytes) -> None:
        info = json.loads(jobinfo) if isinstance(jobinfo, str | bytes) else jobinfo
        self.jobspec: JsonObject = info["jobspec"]
        self.userid: int = info.get("userid", os.getuid())
        self.flags: int = info.get("flags", 0)
        self.urgency: int = info.get("urgency", FLUX_JOB_URGENCY_DEFAULT)

        self._info = info

    def __getattr__(self, name: str) -> Any:
        """Whatever else is told of the job."""
        info = self.__dict__.get("_info") or {}
        if name not in info:
            raise AttributeError(f"nothing is told of {name!r} of the job")
        return info[name]

    @property
    def flux(self) -> Flux:
        """A handle of this thread, connected when first used."""
        handle: Flux | None = getattr(self.tls, "flux", None)
        if handle is None:
            from flux.core.handle import Flux

            handle = self.tls.flux = Flux()
        return handle


class ValidatorResult:
    """The verdict on a job, of all validators together."""

    def __init__(self) -> None:
        self.errnum = 0
        self._messages: list[str] = []

    def push_result(self, errnum: int, errmsg: str | None = None) -> None:
        """Add the verdict of one validator: an ``errnum`` of 0 for a valid job, else ``errmsg``
        says why it is not.
        """
        if errnum:
            self.errnum = errnum
            self._messages.append(errmsg or "validation failed")

    @property
    def success(self) -> bool:
        """Whether no validator objected."""
        return self.errnum == 0

    @property
    def errmsg(self) -> str:
        """All objections, separated by commas."""
        return ", ".join(self._messages)

    def __str__(self) -> str:
        """The answer of the worker process: a JSON object with ``errnum`` and, for a failure,
        ``errstr``.
        """
        answer: JsonObject = {"errnum": self.errnum}
        if self.errnum:
            answer["errstr"] = self.errmsg
        return json.dumps(answer, ensure_ascii=False)


class ValidatorPlugin(ABC):
    """Base of validator plugins. A plugin is a module with a ``Validator``, a class that is made
    with the parser that its options are to be added to.
    """

    def __init__(self, parser: argparse.ArgumentParser) -> None:  # noqa: B027 - optional
        """Add options to ``parser``; nothing by default."""

    def configure(self, args: argparse.Namespace) -> None:  # noqa: B027 - optional
        """Take options from the parsed arguments; nothing by default."""

    @abstractmethod
    def validate(self, job: ValidatorJobInfo) -> tuple[int, str | None] | None:
        """Check a job: return None or (0, None) for a valid one, (errnum, message) for another. An
        exception counts as an objection, too.
        """


def import_path(file_path: str) -> ModuleType:
    """Return the module in a file; raises ImportError if it cannot be loaded."""
    name = f"flux_job_validator_{pathlib.Path(file_path).stem}"
    spec = importlib.util.spec_from_file_location(name, file_path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{file_path} cannot be imported")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def import_plugins_pkg(ns_pkg: ModuleType) -> PluginTable:
    """Return the modules of a (namespace) package by name."""
    return {
        name: importlib.import_module(f"{ns_pkg.__name__}.{name}")
        for _, name, _ in pkgutil.iter_modules(ns_pkg.__path__)
    }


def import_plugins(pkg_name: str, pluginpath: Sequence[str] | None = None) -> PluginTable:
    """Return the plugins of a package and of additional directories; the latter replace plugins of
    the same name.
    """
    plugins = import_plugins_pkg(importlib.import_module(pkg_name))
    for directory in pluginpath or ():
        for file in sorted(pathlib.Path(directory).glob("*.py")):
            plugins[file.stem] = import_path(str(file))
    return plugins


class JobValidator:
    """Checks jobs with the configured validator plugins.

    In ``argv``, ``--plugins=LIST`` names plugins or files, by default ``jobspec`` alone; the rest
    goes to the plugins. ``pluginpath`` are directories with further plugins, ``parser`` is used
    instead of a new one.
    """

    plugin_namespace: ClassVar[str] = "flux.job.validator.plugins"
    default_validators: ClassVar[list[str]] = ["jobspec"]

    def __init__(
        self,
        argv: Sequence[str] | None,
        pluginpath: Sequence[str] | None = None,
        parser: argparse.ArgumentParser | None = None,
    ) -> None:
        self.argv = list(argv or ())
        self.pluginpath = list(pluginpath or ())
        self.parser = parser or argparse.ArgumentParser(prog="flux-job-validator")
        self.parser.add_argument(
            "--plugins",
            metavar="LIST",
            default=",".join(self.default_validators),
            help="comma-separated plugins or files to use (default: jobspec)",
        )
        self.plugins: list[ValidatorPlugin] = []
        self.executor: concurrent.futures.ThreadPoolExecutor | None = None

    def start(self) -> None:
        """Load and configure the plugins, start the threads they run in.

        Raises what `load` does, and ValueError or OSError for what a plugin does not take.
        """
        self.load()
        args = self.parser.parse_args(self.argv)
        for plugin in self.plugins:
            plugin.configure(args)
        self.executor = concurrent.futures.ThreadPoolExecutor(max_workers=4)

    def load(self) -> None:
        """Load the plugins, which add their options to the parser.

        Raises ValueError if there is no plugin of a name that was asked for or the module has no
        ``Validator``, ImportError or OSError if a file cannot be loaded.
        """
        names, _ = self.parser.parse_known_args(self.argv)
        if not isinstance(names.plugins, str):  # argparse takes "--" for no value at all
            self.parser.error("argument --plugins: expected one argument")
        available = import_plugins(self.plugin_namespace, self.pluginpath)
        for name in filter(None, names.plugins.split(",")):
            if "/" in name and pathlib.Path(name).exists():
                available[name] = import_path(name)
            if name not in available:
                raise ValueError(f"validator plugin '{name}' not found")
            plugin = getattr(available[name], "Validator", None)
            if plugin is None:
                raise ValueError(f"{name} has no class Validator")
            self.plugins.append(plugin(self.parser))

    def summaries(self) -> dict[str, str]:
        """Return what there is in plugins, by name with the first line of what they say of
        themselves.
        """
        available = import_plugins(self.plugin_namespace, self.pluginpath)
        return {
            name: (inspect.getdoc(module) or "").partition("\n")[0]
            for name, module in sorted(available.items())
        }

    def stop(self) -> None:
        """End the threads."""
        if self.executor is not None:
            self.executor.shutdown()
            self.executor = None

    def validate(self, jobinfo: ValidatorJobInfo) -> ValidatorResult:
        """Have every plugin check a job; one objection is enough for a failure. Raises RuntimeError
        if `start` has not been called.
        """
        if self.executor is None:
            raise RuntimeError("JobValidator.start() has not been called")
        result = ValidatorResult()
        if len(self.plugins) == 1:
            result.push_result(*_verdict(self.plugins[0], jobinfo))
        else:
            for verdict in self.executor.map(
                lambda plugin: _verdict(plugin, jobinfo), self.plugins
            ):
                result.push_result(*verdict)
        return result


def _verdict(plugin: ValidatorPlugin, jobinfo: ValidatorJobInfo) -> tuple[int, str | None]:
    try:
        return plugin.validate(jobinfo) or (0, None)
    except Exception as exc:
        return getattr(exc, "errno", None) or errno.EINVAL, str(exc)
