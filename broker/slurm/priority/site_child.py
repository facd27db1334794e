"""The process that a site-factor plugin runs in: the plugin's file, the jobs, and the module
``slurm`` that it imports.

Nothing here is called by the broker but by messages: ``setup``, ``set``, ``update``, ``reconfig``.
"""

from __future__ import annotations

import errno
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Final

from broker.faults import FAILURES, described
from broker.log import DEBUG, ERR, INFO
from broker.plugin_child import PluginChild
from broker.slurm import constants
from broker.slurm.constants import SLURM_ERROR, SLURM_SUCCESS, SLURM_VERSION_NUMBER
from broker.slurm.priority.site_jobs import SiteJobs, SiteSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from flux.wire.json import JsonMapping

FUNCTIONS: Final = (
    "init",
    "fini",
    "site_factor_p_reconfig",
    "site_factor_p_set",
    "site_factor_p_update",
)
MAJOR: Final = "site_factor/"
MOST_FACTOR: Final = (1 << 32) - 1
MOST_FAILURES: Final = 8
"""Failures of one call that are told apart; there may be one a job."""


class SitePlugin:
    """The plugin, and the jobs as it sees them."""

    def __init__(self, child: PluginChild) -> None:
        self._child = child
        self._jobs = SiteJobs()
        self._settings = SiteSettings()
        self._functions: dict[str, Callable[..., object]] = {}
        self._path = ""

    def setup(self, payload: object) -> object:
        """Load the plugin {name, path, source, parameters, calc_period}; raises OSError(EINVAL)
        with the reason if it is none.
        """
        given = _mapping(payload)
        self._path = given["path"]
        self._settings.set(given)
        sys.modules["slurm"] = self._module()
        module = ModuleType("site_factor_plugin")
        module.__file__ = self._path
        sys.modules[module.__name__] = module
        try:
            exec(compile(given["source"], self._path, "exec"), module.__dict__)
        except SyntaxError as exc:
            raise OSError(errno.EINVAL, f"{exc.msg} (line {exc.lineno})") from None
        except FAILURES as exc:
            raise OSError(errno.EINVAL, described(exc, self._path)) from None
        self._check(module, given["name"])
        self._begin()
        return {"plugin_name": str(getattr(module, "plugin_name", given["name"]))}

    def _check(self, module: ModuleType, name: str) -> None:
        """Raise OSError(EINVAL) unless a module is a plugin for this broker."""
        kind = getattr(module, "plugin_type", None)
        if not isinstance(kind, str) or not kind.startswith(MAJOR) or kind == MAJOR:
            raise OSError(errno.EINVAL, f'plugin_type has to be "{MAJOR}NAME", not {kind!r:.100}')
        if name.startswith(MAJOR) and kind != name:
            raise OSError(errno.EINVAL, f"plugin_type is {kind}, not {name}")
        version = getattr(module, "plugin_version", None)
        if version is not None:
            check_version(version)
        missing = [one for one in FUNCTIONS if not callable(getattr(module, one, None))]
        if missing:
            raise OSError(errno.EINVAL, f"the plugin lacks {', '.join(missing)}")
        self._functions = {one: getattr(module, one) for one in FUNCTIONS}

    def _begin(self) -> None:
        answer = self._functions["init"]()
        if answer not in (None, SLURM_SUCCESS) or isinstance(answer, bool):
            meaning = "SLURM_ERROR" if answer == SLURM_ERROR else f"{answer!r:.100}"
            raise OSError(errno.EINVAL, f"init() returned {meaning}")

    def _module(self) -> ModuleType:
        """Return what the plugin imports as ``slurm``."""
        module = ModuleType("slurm", "What a site-factor plugin needs of Slurm.")
        for name, value in vars(constants).items():
            if name.isupper():
                setattr(module, name, value)
        for name, level in (("error", ERR), ("info", INFO), ("debug", DEBUG)):
            setattr(module, name, _logger(self._child, level))
        vars(module).update(job_list=self._jobs, conf=self._settings)
        return module

    # Calls of the broker

    def set(self, payload: object) -> object:
        """Call ``site_factor_p_set`` with some jobs {ask, jobs, gone, known, priorities}."""
        given = _mapping(payload)
        self._jobs.take(given)
        asked = [jobid for jobid in given["ask"] if jobid in self._jobs]
        failures: dict[str, int] = {}
        for jobid in asked:
            try:
                self._functions["site_factor_p_set"](self._jobs.find(jobid)[0])
            except FAILURES as exc:
                _count(failures, described(exc, self._path))
        rows = self._factors(asked, failures, everything=True)
        return {"factors": rows, "failures": _texts(failures)}

    def update(self, payload: object) -> object:
        """Call ``site_factor_p_update``."""
        self._jobs.take(_mapping(payload))
        failures: dict[str, int] = {}
        try:
            self._functions["site_factor_p_update"]()
        except FAILURES as exc:
            _count(failures, described(exc, self._path))
        rows = self._factors(self._jobs.ids(), failures, everything=False)
        return {"factors": rows, "failures": _texts(failures)}

    def _factors(
        self, ids: Iterable[int], failures: dict[str, int], *, everything: bool
    ) -> list[list[int]]:
        """Return the factors of jobs, those that have not changed only if ``everything`` is wanted;
        any other value is a failure, and the job keeps what it had.
        """
        rows = []
        for jobid in ids:
            job, before = self._jobs.find(jobid)
            value = job.site_factor
            if type(value) is not int or not 0 <= value <= MOST_FACTOR:
                bounds = f"an integer from 0 to {MOST_FACTOR}"
                _count(failures, f"site_factor is {bounds}, not {value!r:.100}")
                job.site_factor = value = before
            if everything or value != before:
                self._jobs.told(jobid, value)
                rows.append([jobid, value])
        return rows

    def reconfig(self, payload: object) -> object:
        """Call ``site_factor_p_reconfig`` {parameters, calc_period}."""
        self._settings.set(_mapping(payload))
        self._functions["site_factor_p_reconfig"]()
        return None

    def end(self) -> None:
        """Call ``fini``."""
        if self._functions:
            self._functions["fini"]()


def check_version(version: object) -> None:
    """Raise OSError(EINVAL) for a version of Slurm's plugins that is not ours: major and minor
    number have to be the same.
    """
    ours = SLURM_VERSION_NUMBER >> 8
    if type(version) is not int or version >> 8 != ours:
        shown = f"{version:#08x}" if type(version) is int else f"{version!r:.100}"
        wanted = f"{SLURM_VERSION_NUMBER:#08x}"
        raise OSError(errno.EINVAL, f"plugin_version is {shown}, and {wanted} is what runs here")


def _logger(child: PluginChild, level: int) -> Callable[..., None]:
    def log(text: object, *args: object) -> None:
        """Write a line to the log; ``args`` are filled in for ``%``."""
        line = str(text) % args if args else str(text)
        try:
            child.log(level, line)
        except OSError:  # the broker has hung up: what is printed it reads to the end
            print(line, flush=True)

    return log


def _mapping(payload: object) -> JsonMapping:
    if not isinstance(payload, dict):
        raise OSError(errno.EPROTO, "the payload is not an object")
    return payload


def _count(failures: dict[str, int], text: str) -> None:
    if text in failures or len(failures) < MOST_FAILURES:
        failures[text] = failures.get(text, 0) + 1


def _texts(failures: dict[str, int]) -> list[str]:
    return [text if count == 1 else f"{text} ({count} jobs)" for text, count in failures.items()]


def main(argv: list[str]) -> None:
    """Serve until the broker hangs up."""
    child = PluginChild(argv)
    plugin = SitePlugin(child)
    child.serve(
        {
            "setup": plugin.setup,
            "set": plugin.set,
            "update": plugin.update,
            "reconfig": plugin.reconfig,
        }
    )
    plugin.end()


if __name__ == "__main__":
    main(sys.argv)
