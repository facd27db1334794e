"""URIs in their parts, those of instances in both forms, and the plugins that find them."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from importlib import import_module
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from flux.uri.forms import local_form, remote_form

if TYPE_CHECKING:
    from collections.abc import Iterable

CONNECTORS = ("local", "ssh")
"""The schemes of URIs that lead to a broker as they are."""


class URI:
    """A URI and its parts, as `urllib.parse.urlsplit` finds them: ``scheme``, ``netloc``, ``path``,
    ``params``, ``query``, ``fragment``, and ``query_dict``, the lists of values of what is asked
    for by name, with an empty value for a name alone. All of them may be changed.
    """

    def __init__(self, uri: str) -> None:
        if not isinstance(uri, str):
            raise TypeError(f"a URI must be a string, not {type(uri).__name__}")
        self.uri = uri
        parts = urlsplit(uri)
        self.scheme = parts.scheme
        self.netloc = parts.netloc
        self.path, _, self.params = parts.path.partition(";")
        self.query = parts.query
        self.fragment = parts.fragment
        self.query_dict = parse_qs(parts.query, keep_blank_values=True)


class URIResolverURI(URI):
    """What a `FluxURIResolver` is asked for: ``scheme`` says by which plugin, ``path`` for what."""


class JobURI(URI):
    """The URI of an instance, which is also there in its other form.

    The host of the remote form of a local URI is ``remote_hostname``, by default this one. As text
    it is what it was made of, or local if ``force_local`` is set, as FLUX_URI_RESOLVE_LOCAL in the
    environment of `FluxURIResolver.resolve` does. Raises ValueError for a URI without a scheme.
    """

    force_local = False

    def __init__(self, uri: str, remote_hostname: str | None = None) -> None:
        super().__init__(uri)
        if not self.scheme:
            raise ValueError(f"JobURI '{uri}' does not have a valid scheme")
        self.remote_hostname = remote_hostname

    @property
    def remote(self) -> str:
        """The form for other machines, ``ssh://HOST/PATH``."""
        if self.scheme == "local" and self.remote_hostname:
            return f"ssh://{self.remote_hostname}{self.path}"
        return remote_form(self.uri)

    @property
    def local(self) -> str:
        """The form for programs on the broker's machine, ``local:///PATH``."""
        return local_form(self.uri)

    @property
    def remote_uri(self) -> str:
        """The same as `remote`."""
        return self.remote

    @property
    def local_uri(self) -> str:
        """The same as `local`."""
        return self.local

    def __str__(self) -> str:
        return self.local if self.force_local else self.uri


class URIResolverPlugin(ABC):
    """Finds instances by one scheme.

    A plugin is a module of the package ``flux.uri.resolvers`` whose name is the scheme, with a
    subclass called ``URIResolver``.
    """

    def __init__(self, *args: object) -> None:
        self.arguments = args

    @abstractmethod
    def describe(self) -> str:
        """Return what the plugin finds, in a line."""

    @abstractmethod
    def resolve(self, uri: URIResolverURI) -> JobURI:
        """Return the URI of the instance; raises ValueError or OSError if there is none."""


class FluxURIResolver:
    """Finds the URI of an instance by any scheme that there is a plugin for: jobid, pid, slurm,
    lsf.

    Further plugins are looked for in the directories ``pluginpath``, before the built-in ones. A
    module that cannot be imported fails its scheme when that is asked for, not others.
    """

    def __init__(self, pluginpath: Iterable[str | os.PathLike[str]] | None = None) -> None:
        if isinstance(pluginpath, str | bytes | os.PathLike):
            raise TypeError("pluginpath must be a list of directories")
        self._folders = [os.fspath(folder) for folder in pluginpath or ()]
        self.plugin_namespace = "flux.uri.resolvers"
        self.resolvers: dict[str, URIResolverPlugin] = {}

    def plugins(self) -> dict[str, str]:
        """Return what each plugin finds, by its scheme."""
        return {name: self._plugin(name).describe() for name in self._names()}

    def resolve(self, uri: str) -> JobURI:
        """Return the URI of the instance that ``uri`` names; without a scheme it is a job id, or a
        path of them.

        ``?local`` or ``?remote`` behind it gives the result that form. Raises NotImplementedError
        if no plugin has the scheme, ValueError if there is no such instance, OSError if it cannot
        be looked for.
        """
        wanted = URIResolverURI(uri)
        if wanted.scheme in CONNECTORS:
            return self._formed(JobURI(uri.partition("?")[0]), wanted)
        scheme = wanted.scheme or "jobid"
        if scheme not in self._names():
            raise NotImplementedError(f"No plugin for URI scheme {scheme}")
        return self._formed(self._plugin(scheme).resolve(wanted), wanted)

    def _formed(self, found: JobURI, wanted: URI) -> JobURI:
        if "local" in wanted.query_dict:
            return JobURI(found.local)
        if "remote" in wanted.query_dict:
            return JobURI(found.remote)
        found.force_local = bool(os.environ.get("FLUX_URI_RESOLVE_LOCAL"))
        return found

    def _names(self) -> list[str]:
        from pkgutil import iter_modules

        own = import_module(self.plugin_namespace).__path__
        found = iter_modules([*self._folders, *own])
        return sorted({entry.name for entry in found if not entry.name.startswith("_")})

    def _plugin(self, name: str) -> URIResolverPlugin:
        if name not in self.resolvers:
            module = self._from_folders(name) or import_module(f"{self.plugin_namespace}.{name}")
            made = getattr(module, "URIResolver", None)
            if not (isinstance(made, type) and issubclass(made, URIResolverPlugin)):
                raise ValueError(f"the plugin {name} has no URIResolver")
            self.resolvers[name] = made()
        return self.resolvers[name]

    def _from_folders(self, name: str) -> object | None:
        from importlib.machinery import PathFinder
        from importlib.util import module_from_spec

        spec = PathFinder.find_spec(name, self._folders) if self._folders else None
        if spec is None or spec.loader is None:
            return None
        module = module_from_spec(spec)
        spec.loader.exec_module(module)
        return module
