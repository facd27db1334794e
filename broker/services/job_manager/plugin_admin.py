"""Requests about plugins (flux-jobtap(1))."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from broker.jobtap.host import NONE_TO_REMOVE
from broker.service import request
from flux.wire.errors import os_error

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from broker.configuration.tables import PluginDirective
    from broker.service import Request
    from broker.services.job_manager.core import ManagerCore
    from broker.services.job_manager.job_submit import JobSubmit
    from flux.wire.json import JsonObject


class PluginAdmin:
    """Loading and removing plugins."""

    def __init__(self, core: ManagerCore, job_submit: JobSubmit) -> None:
        self._core = core
        self._job_submit = job_submit

    def apply(self, directives: Iterable[tuple[int, PluginDirective]]) -> None:
        """Carry out directives of ``job-manager.plugins``, given with their places in it; raises
        OSError that says which one failed.
        """
        for index, directive in directives:
            try:
                self._carry_out(directive)
            except OSError as exc:
                key = ("job-manager", "plugins", index)
                raise self._core.ctx.setting_error(key, exc) from None

    def _carry_out(self, directive: PluginDirective) -> None:
        plugins, remove = self._core.plugins, directive.remove
        if remove is not None and not plugins.finds(remove):
            raise OSError(errno.ENOENT, f"remove {remove}: {NONE_TO_REMOVE}")
        if directive.load is not None:
            plugins.load(directive.load, directive.conf, remove=remove)
        elif remove is not None:
            plugins.remove(remove)

    def replace(self, before: Sequence[PluginDirective], after: Sequence[PluginDirective]) -> None:
        """Carry out the directives that are new, after removing plugins that are not loaded by any
        of them any more, or with another table.

        Raises OSError; the plugins that were removed are loaded again then.
        """
        gone = [item for item in before if item.load is not None and item not in after]
        fresh = [place for place in enumerate(after) if place[1] not in before]
        plugins = self._core.plugins
        names = [name for item in gone if (name := plugins.name_of(item.load or "")) is not None]
        for name in names:
            plugins.unload(name)
        try:
            self.apply(fresh)
        except OSError:
            for item in gone:
                if plugins.name_of(item.load or "") is None:
                    plugins.load(item.load or "", item.conf)
            raise
        self._core.turn_soon()

    @request("jobtap-query")
    def query(self, req: Request) -> JsonObject:
        """Return the name and the file of the plugin {name}; ENOENT if it is not loaded."""
        name = req.get("name", str)
        if name in self._job_submit.names():
            return {"name": name, "path": "builtin"}
        for plugin in self._core.plugins.plugins:
            if plugin.file_name == name:
                path = "builtin" if name.startswith(".") else plugin.file.path
                return {"name": name, "path": path}
        raise OSError(errno.ENOENT, f"{name}: plugin not found")

    @request("jobtap")
    def jobtap(self, req: Request) -> JsonObject | None:
        """List plugins {query_only}, or remove {remove} and load {load, conf} one."""
        if req.payload.get("query_only"):
            return {"plugins": [*self._core.plugins.names(), *self._job_submit.names()]}
        remove = req.get("remove", str, None)
        if "load" in req.payload:
            conf = req.get("conf", dict, None)
            self._core.plugins.load(req.get("load", str), conf, remove=remove)
        elif remove is not None:
            self._core.plugins.remove(remove)
        else:
            raise os_error(errno.EPROTO)
        self._core.turn_soon()
        return None
